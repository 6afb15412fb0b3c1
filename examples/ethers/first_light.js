#!/usr/bin/env node
// ethers v6 against a devnet: connect, deploy, send, decode a custom error, events and filters.
//
//     node first_light.js --apus BINARY --ethers ethers.umd.min.js
//
// ethers comes as its UMD bundle (dist/ethers.umd.min.js of its repository or of its package), so that nothing needs to
// be installed here.

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");
const { parseArgs } = require("node:util");

const options = parseArgs({ options: { apus: { type: "string" }, ethers: { type: "string" } } }).values;
if (!options.apus || !options.ethers) {
  console.error("usage: first_light.js --apus BINARY --ethers ethers.umd.min.js");
  process.exit(2);
}
const ethers = require(resolve(options.ethers));
const { abi, bytecode } = require("./counter.json");

/** Starts a devnet on a free port and calls back with it. */
async function withDevnet(body) {
  const folder = mkdtempSync(join(tmpdir(), "apus-ethers-"));
  const node = spawn(options.apus, ["dev", "--port", "0", "--datadir", join(folder, "data")]);
  const port = await new Promise((found, failed) => {
    let text = "";
    node.stdout.on("data", (part) => {
      text += part;
      const match = text.match(/^Listening on \S+:(\d+)/m);
      if (match) found(match[1]);
    });
    node.on("exit", () => failed(new Error("the node did not start")));
  });
  try {
    await body(port);
  } finally {
    node.removeAllListeners("exit");
    const ended = new Promise((done) => node.on("exit", done));
    node.kill();
    await ended;
    rmSync(folder, { recursive: true });
  }
}

/** Waits until a condition holds, for half a minute at most. */
async function until(condition) {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    if (await condition()) return;
    await new Promise((next) => setTimeout(next, 10));
  }
  assert.fail(`never: ${condition}`);
}

async function use(provider, name) {
  const network = await provider.getNetwork();
  assert.equal(network.chainId, 31337n);
  const [first, second] = [await provider.getSigner(0), await provider.getSigner(1)];

  // Deploy with the node's key, and read.
  const factory = new ethers.ContractFactory(abi, bytecode, first);
  const contract = await factory.deploy(40n);
  await contract.waitForDeployment();
  assert.equal(await contract.total(), 40n);
  assert.equal(await contract.owner(), await first.getAddress());

  // Events: by a listener, by a filter that is asked, and in a receipt.
  const heard = [];
  await contract.on("Counted", (by, total) => heard.push([by, total]));
  const receipt = await (await contract.count(2n)).wait();
  assert.equal(receipt.status, 1);
  assert.equal(receipt.logs[0].args.total, 42n);
  await (await contract.connect(second).count(8n)).wait();
  await until(() => heard.length === 2);
  assert.deepEqual(heard[1], [await second.getAddress(), 50n]);
  await contract.off("Counted");
  const mine = await contract.queryFilter(contract.filters.Counted(await second.getAddress()));
  assert.deepEqual(mine.map((event) => event.args.total), [50n]);

  // A custom error, in a call, in an estimate and in a transaction that was sent in spite of it.
  for (const attempt of [() => contract.count.staticCall(0n), () => contract.count.estimateGas(0n)]) {
    await assert.rejects(attempt, (error) => {
      assert.equal(error.code, "CALL_EXCEPTION");
      // What ethers does not decode itself, which is the error of an estimate, its interface does.
      const revert = error.revert ?? contract.interface.parseError(error.data);
      assert.equal(revert.name, "Refused");
      assert.deepEqual([...revert.args], [first.address, 0n]);
      return true;
    });
  }
  const doomed = await contract.count(0n, { gasLimit: 100_000n });
  await assert.rejects(doomed.wait(), (error) => error.code === "CALL_EXCEPTION" && error.receipt.status === 0);

  // A key of one's own: fees, signing and nonces are ethers' affair.
  const wallet = ethers.Wallet.createRandom().connect(provider);
  await (await first.sendTransaction({ to: wallet.address, value: ethers.parseEther("1") })).wait();
  const sent = await wallet.sendTransaction({ to: second.address, value: 1n });
  const mined = await sent.wait();
  assert.equal(mined.type, 2);
  assert.equal(
    await provider.getBalance(wallet.address),
    ethers.parseEther("1") - 1n - mined.gasUsed * mined.gasPrice,
  );
  await (await contract.connect(wallet).count(5n)).wait();
  assert.equal(await contract.total(), 55n);
  assert.equal(await contract.total({ blockTag: receipt.blockNumber }), 42n);

  // Blocks as they come, logs by topic, and what a transaction was.
  const blocks = [];
  await provider.on("block", (number) => blocks.push(number));
  await (await first.sendTransaction({ to: second.address, value: 1n })).wait();
  const head = await provider.getBlockNumber();
  await until(() => blocks.includes(head));
  await provider.removeAllListeners();
  const logs = await provider.getLogs({
    address: await contract.getAddress(), topics: [ethers.id("Counted(address,uint256)")], fromBlock: 0,
  });
  assert.equal(logs.length, 3);
  const block = await provider.getBlock(head, true);
  assert.equal(block.prefetchedTransactions[0].from, first.address);
  const signature = await first.signMessage("κόσμε");
  assert.equal(ethers.verifyMessage("κόσμε", signature), first.address);
  console.log(`ethers ${ethers.version}: all is well over ${name}`);
}

async function main() {
  await withDevnet(async (port) => {
    // A block is there at once: an answer that ethers keeps for a quarter of a second, as it does, would be old.
    const patience = { pollingInterval: 50, cacheTimeout: -1 };
    const provider = new ethers.JsonRpcProvider(`http://127.0.0.1:${port}`, undefined, patience);
    await use(provider, "HTTP");
    provider.destroy();
  });
  if (typeof WebSocket === "undefined") {
    console.log("This node has no WebSocket; with node 22 it is tried as well.");
    return;
  }
  await withDevnet(async (port) => {
    const provider = new ethers.WebSocketProvider(`ws://127.0.0.1:${port}`);
    await use(provider, "WebSocket");
    await provider.destroy();
  });
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
