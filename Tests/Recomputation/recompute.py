#!/usr/bin/env python3
"""Compares the analytics of a devnet with figures computed from its blocks, receipts and call traces.

    recompute.py http://127.0.0.1:8545 [SEED [BLOCKS]]
    recompute.py http://127.0.0.1:8545 GENESIS.json

Makes a chain of random transactions (nested calls, creations, self-destructs, reverts, tokens of six
kinds and of none), with random reorganisations, or takes the chain of a node as it is (with withdrawals, blobs, rewards and
uncles), and computes every figure again in plain Python from what the standard methods
of JSON-RPC say. Nothing of the node's own analytics is used for that. Needs nothing but Python.
"""
import collections
import fractions
import json
import random
import sys
import time as clock
import urllib.request

URL = sys.argv[1]
GENESIS = json.load(open(sys.argv[2])) if len(sys.argv) > 2 and not sys.argv[2].isdigit() else None
SEED = int(sys.argv[2]) if len(sys.argv) > 2 and not GENESIS else 1
BLOCKS = int(sys.argv[3]) if len(sys.argv) > 3 else 40
# Balances, each of a random address after a random block, that are compared with the state's.
SAMPLES = 10_000
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
BATCH = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
SINGLE = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
random.seed(SEED)


def rpc(method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(URL, body, {"content-type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


def rpc_all(method, calls):
    """The answers to many calls of one method, in batches."""
    answers = []
    for start in range(0, len(calls), 500):
        part = calls[start:start + 500]
        body = json.dumps([{"jsonrpc": "2.0", "id": i, "method": method, "params": params}
                           for i, params in enumerate(part)]).encode()
        request = urllib.request.Request(URL, body, {"content-type": "application/json"})
        found = {answer["id"]: answer for answer in json.load(urllib.request.urlopen(request))}
        answers += [found[i]["result"] for i in range(len(part))]
    return answers


def word(number):
    return format(number, "064x")


def push20(address):
    return "73" + address[2:]


# Contracts, as plain byte code. Each returns what stands behind its first `f3`.
def deploy(runtime):
    size = len(runtime) // 2
    return f"0x61{size:04x}80600a5f395ff3" + runtime if size < 65536 else None


HALF = "5f5f5f5f60023404" + "5f355af100"  # half of the value to the address in the call data
CREATOR = "6360015ff35f526004601c34f000"
DESTROYER = "6133ff5f526002601e34f000"
ERC20 = "6020355f525f35" + "33" + "7f" + TRANSFER[2:] + "60205fa300"
ERC721 = "6020355f3533" + "7f" + TRANSFER[2:] + "5f5fa400"
# TransferSingle(operator, from, to, id, value): id 7.
ERC1155 = "60075f526020356020525f353333" + "7f" + SINGLE[2:] + "60405fa400"
# TransferBatch(operator, from, to, ids, values): of id 7 the amount, of id 8 one more.
ERC1155_BATCH = ("60405f52" "60a0602052" "6002604052" "6007606052" "6008608052" "600260a052"
                 "60203560c052" "602035600101" "60e052" "5f353333" "7f" + BATCH[2:] + "6101005fa400")
DELEGATE = "5f5f5f5f5f355af400"  # delegate-calls the address in the call data
# CREATE2 with salt 0 of a contract that destroys itself at once: the address is free again after that.
REDEPLOYER = "6133ff5f525f6002601e34f500"
ZERO = "0x" + "00" * 20

# Tokens that keep balances, unlike those above, which only tell of movements. Call data of two words
# moves: (to, amount or id), after as much was minted for the caller. Anything else is balanceOf, whose
# first argument stands after four bytes. A balance is in the slot of its holder's address.
TO, AMOUNT = "5f35", "602035"


def movement(kind, sender, target):
    """A movement between two words on the way: code that pushes them."""
    if kind == "erc721":
        return AMOUNT + target + sender + "7f" + TRANSFER[2:] + "5f5fa4"
    if kind == "erc1155":  # The id is the amount; one is moved.
        return (AMOUNT + "5f52" + "6001602052" + target + sender + "33" + "7f" + SINGLE[2:]
                + "60405fa4")
    return AMOUNT + "5f52" + target + sender + "7f" + TRANSFER[2:] + "60205fa3"


def keeping_token(kind):
    # What the recipient gets: the amount, less one by a token that takes a fee.
    credit = {"fee": AMOUNT + "80151590" + "03", "erc721": "6001", "erc1155": "6001"}.get(kind, AMOUNT)
    # The slot: of ERC-1155 with the id above the address.
    slot = (AMOUNT + "60a01b" + TO + "17") if kind == "erc1155" else TO
    move = movement(kind, "5f", "33") + movement(kind, "33", TO)
    move += credit + slot + "8054" + "90" + "91" + "01" + "90" + "55"  # Adds to what is in the slot.
    move += "00" if kind == "no-return" else "60015f5260205ff3"
    balance = ("602435" + "60a01b" + "600435" + "17" if kind == "erc1155" else "600435") + "54"
    balance += "80" + "01" if kind == "rebasing" else ""  # Twice what was credited.
    balance += "5f5260205ff3"
    size = len(balance) // 2
    # If the call data has 64 bytes jump over balanceOf.
    start = 7 + size
    return f"6040361460{start:02x}57" + balance + "5b" + move


accounts = [] if GENESIS else rpc("eth_accounts")
others = ["0x" + word(0xE000 + i)[24:] for i in range(6)]
recipients = accounts + others


def send(**fields):
    fields.setdefault("gas", "0x493e0")
    return rpc("eth_sendTransaction", fields)


def install(runtime):
    # 10 bytes of code that returns what follows them.
    size = len(runtime) // 2
    init = f"0x60{size:02x}80600a5f395ff3"
    assert len(init) // 2 - 1 <= 10
    init = init + "00" * (10 - (len(init) // 2 - 1)) + runtime
    hash = send(**{"from": accounts[0], "data": init})
    rpc("evm_mine")
    return rpc("eth_getTransactionReceipt", hash)["contractAddress"]


# The contracts of a chain that is made here; of one that is given there is none.
kept, redeployer = {}, None
# Those whose events do not tell what is held.
WRONG = {"fee", "rebasing"}


def make_chain():
    global kept, redeployer
    rpc("evm_setAutomine", False)
    redeployer = install(REDEPLOYER)
    KINDS = ["standard", "fee", "rebasing", "no-return", "erc721", "erc1155"]
    kept = {kind: install(keeping_token(kind)) for kind in KINDS}
    half = install(HALF)
    reverter = install("5f5f5f5f34" + push20(half) + "5af15f5ffd")
    creator, destroyer = install(CREATOR), install(DESTROYER)
    tokens = [install(code) for code in (ERC20, ERC721, ERC1155, ERC1155_BATCH)]
    delegate = install(DELEGATE)
    for _ in range(2):
        send(**{"from": accounts[0], "to": redeployer, "value": "0x1"})
        rpc("evm_mine")
    for token in kept.values():
        data = "0x" + word(int(accounts[1], 16)) + word(3)
        send(**{"from": accounts[0], "to": token, "data": data})
    rpc("evm_mine")
    PERMANENT = int(rpc("eth_blockNumber"), 16)

    def act():
        sender = random.choice(accounts)
        target = random.choice(recipients)
        value = random.randrange(6)
        kind = random.randrange(15)
        data = "0x" + word(int(target, 16))
        fields = {"from": sender, "value": hex(value)}
        if kind == 0:
            fields.update(to=target)
        elif kind == 1:
            fields.update(to=half, data=data)
        elif kind == 2:
            fields.update(to=reverter, data=data)
        elif kind == 3:
            fields.update(to=creator, data=data)
        elif kind == 4:
            fields.update(to=destroyer, data=data)
        elif kind in (5, 6, 7, 14):
            fields.update(to=tokens[min(kind, 8) - 5], data=data + word(value), value="0x0")
        elif kind in (10, 11, 12):
            fields.update(to=random.choice(list(kept.values())), data=data + word(value), value="0x0")
        elif kind == 13:
            fields.update(to=redeployer)
        elif kind == 8:
            fields.update(to=delegate, data="0x" + word(int(random.choice([creator, half]), 16)))
        else:
            fields.update(data="0x60015ff3")
        send(**fields)

    for _ in range(BLOCKS):
        for _ in range(random.randrange(5)):
            act()
        rpc("evm_increaseTime", random.choice([1, 60, 1800, 3600, 7200, 40_000, 100_000]))
        rpc("evm_mine")
        head = int(rpc("eth_blockNumber"), 16)
        if random.randrange(6) == 0 and head > PERMANENT:
            depth = random.randrange(1, min(6, head - PERMANENT) + 1)
            # Takes the last blocks back; others take their place.
            rpc("anvil_rollback", depth)
            rpc("anvil_dropAllTransactions")


if not GENESIS:
    make_chain()

# ------------------------------------------------------------------------- what the chain says
head = int(rpc("eth_blockNumber"), 16)
if GENESIS:
    # The blocks were imported: the index begins, and reads them beside.
    for _ in range(600):
        try:
            if rpc("analytics_getNetwork", 1)["as_of"]["number"] == head:
                break
        except RuntimeError:
            pass
        clock.sleep(0.1)


def num(text):
    return int(text, 16) if text is not None else 0


def address_of(topic):
    return "0x" + topic[-40:]


ROLES = ["sender", "recipient", "created", "caller", "called", "destroyed", "beneficiary",
         "logger", "token_holder", "withdrawal", "coinbase"]
appear = collections.defaultdict(lambda: collections.defaultdict(set))  # address → place → roles
totals = collections.defaultdict(collections.Counter)
hours = collections.defaultdict(lambda: collections.Counter())
peers = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
network = collections.defaultdict(collections.Counter)
active = collections.defaultdict(set)
seen = set()
moves = collections.defaultdict(list)
holdings = collections.Counter()
minted = collections.Counter()
deployments = collections.defaultdict(list)
BLOCKWIDE = 2**32 - 1
# address → block → change of the balance in it
changes = collections.defaultdict(collections.Counter)
base_fees = collections.defaultdict(list)


def block_reward(number):
    """Wei that a block of proof of work makes, by its fork."""
    forks = GENESIS["config"]
    for name, reward in (("constantinopleBlock", 2), ("byzantiumBlock", 3)):
        if number >= forks.get(name, 2**63):
            return reward * 10**18
    return 5 * 10**18


for number in range(1, head + 1):
    block = rpc("eth_getBlockByNumber", hex(number), True)
    time, hour = num(block["timestamp"]), num(block["timestamp"]) // 3600
    base = num(block.get("baseFeePerGas"))
    n = network[hour]
    n["blocks"] += 1
    n["gas_used"] += num(block["gasUsed"])
    n["gas_limit"] += num(block["gasLimit"])
    n["blob_gas_used"] += num(block.get("blobGasUsed"))
    base_fees[hour].append(base)
    if num(block["difficulty"]):
        reward = block_reward(number)
        changes[block["miner"]][number] += reward + reward // 32 * len(block["uncles"])
        for index in range(len(block["uncles"])):
            uncle = rpc("eth_getUncleByBlockNumberAndIndex", hex(number), hex(index))
            changes[uncle["miner"]][number] += reward * (8 - number + num(uncle["number"])) // 8
    appear[block["miner"]][(number, BLOCKWIDE)].add("coinbase")
    for w in block.get("withdrawals", []):
        appear[w["address"]][(number, BLOCKWIDE)].add("withdrawal")
        amount = num(w["amount"]) * 10**9
        totals[w["address"]]["withdrawn"] += amount
        hours[(w["address"], hour)]["withdrawn"] += amount
        changes[w["address"]][number] += amount
    receipts = rpc("eth_getBlockReceipts", hex(number))
    traces = rpc("debug_traceBlockByNumber", hex(number), {"tracer": "callTracer"}) if block["transactions"] else []
    for transaction, trace, receipt in zip(block["transactions"], traces, receipts):
        index = num(transaction["transactionIndex"])
        place = (number, index)
        sender = transaction["from"]
        recipient = transaction["to"] or receipt["contractAddress"]
        gas, price = num(receipt["gasUsed"]), num(receipt["effectiveGasPrice"])
        failed = receipt["status"] == "0x0" if "status" in receipt else "error" in trace["result"]
        blob_fee = num(receipt.get("blobGasUsed")) * num(receipt.get("blobGasPrice"))
        appear[sender][place].add("sender")
        appear[recipient][place].add("recipient" if transaction["to"] else "created")

        def add(address, **amounts):
            for name, amount in amounts.items():
                totals[address][name] += amount
                hours[(address, hour)][name] += amount

        add(sender, sent=1, failed=int(failed), fees_paid=gas * price + blob_fee,
            gas_used=gas)
        changes[sender][number] -= gas * price + blob_fee
        changes[block["miner"]][number] += gas * (price - base)
        add(recipient, received=1)
        n["transactions"] += 1
        n["failed"] += int(failed)
        n["burned"] += gas * base + blob_fee
        n["tips"] += gas * (price - base)
        for who in (sender, recipient):
            active[hour].add(who)
            if who not in seen:
                seen.add(who)
                n["new_addresses"] += 1
        if sender != recipient:
            peers[sender][recipient]["interactions"] += 1
            peers[recipient][sender]["interactions"] += 1

        def walk(frame, depth, undone):
            kind, caller = frame["type"], frame["from"]
            target = frame.get("to")
            value = num(frame.get("value"))
            bad = undone or "error" in frame
            if depth:
                if kind == "SELFDESTRUCT":
                    appear[caller][place].add("destroyed")
                    appear[target][place].add("beneficiary")
                else:
                    appear[caller][place].add("caller")
                    if target:
                        appear[target][place].add("created" if kind.startswith("CREATE") else "called")
            if kind.startswith("CREATE") and not bad:
                deployments[sender].append((number, index, target))
                add(sender, deployments=1)
                if caller != sender:
                    deployments[caller].append((number, index, target))
                    add(caller, deployments=1)
                n["contracts"] += 1
            if value and not bad and kind in ("CALL", "CREATE", "CREATE2", "SELFDESTRUCT"):
                add(caller, transfers_out=1, value_out=value)
                add(target, transfers_in=1, value_in=value)
                changes[caller][number] -= value
                changes[target][number] += value
                n["transfers"] += 1
                n["value"] += value
                if caller != target and depth:
                    peers[caller][target]["interactions"] += 1
                    peers[target][caller]["interactions"] += 1
                if caller != target:
                    peers[caller][target]["value_out"] += value
                    peers[target][caller]["value_in"] += value
            for inner in frame.get("calls", []):
                walk(inner, depth + 1, bad)

        walk(trace["result"], 0, False)
        for log in receipt["logs"]:
            appear[log["address"]][place].add("logger")
            topics, data = log["topics"], log["data"]
            items = []
            if not topics:
                continue
            if topics[0] == TRANSFER and len(topics) == 3 and len(data) == 66:
                items = [("erc20", topics[1], topics[2], 0, num(data))]
            elif topics[0] == TRANSFER and len(topics) == 4 and data == "0x":
                items = [("erc721", topics[1], topics[2], num(topics[3]), 1)]
            elif topics[0] == SINGLE and len(topics) == 4 and len(data) == 130:
                items = [("erc1155", topics[2], topics[3], num(data[:66]), int(data[66:], 16))]
            elif topics[0] == BATCH and len(topics) == 4:
                words = [int(data[i:i + 64], 16) for i in range(2, len(data), 64)]
                ids, amounts = (words[at + 1:at + 1 + words[at]]
                                for at in (words[0] // 32, words[1] // 32))
                items = [("erc1155", topics[2], topics[3], *item) for item in zip(ids, amounts)]
            for standard, source, target, id, amount in items:
                source, target = address_of(source), address_of(target)
                n["token_transfers"] += 1
                for holder in {source, target} - {ZERO}:
                    appear[holder][place].add("token_holder")
                    add(holder, token_transfers=1)
                    moves[holder].append(
                        (number, num(log["logIndex"]), standard, source, target, id, amount))
                key = id if standard == "erc1155" else None
                if source != ZERO:
                    holdings[(source, log["address"], key)] -= amount
                else:
                    minted[log["address"]] += amount
                if target != ZERO:
                    holdings[(target, log["address"], key)] += amount

# Everyone's balance after each block: what the genesis block gave, and the changes since.
everyone = sorted(set(appear) | set(changes) | set(accounts)
                  | {"0x" + a.removeprefix("0x").lower() for a in (GENESIS or {}).get("alloc", {})})
history = {}
for address, balance in zip(everyone, rpc_all("eth_getBalance", [[a, "0x0"] for a in everyone])):
    balance = num(balance)
    history[address] = [balance]
    for number in range(1, head + 1):
        balance += changes[address][number]
        history[address].append(balance)

# ------------------------------------------------------------------------- what the analytics say
checks = 0


def same(what, have, want):
    global checks
    checks += 1
    if have != want:
        sys.exit(f"seed {SEED}: {what}: the node says {have!r}, the chain {want!r}")


def pages(method, key, address):
    found, block, index = [], None, None
    while True:
        page = rpc(method, address, "after", block, index, 5)
        found += page[key]
        if not page["has_more"]:
            return found
        block, index = page[key][-1]["block"], page[key][-1]["index"]


# What each day ended with.
last_block = {}
for number, block in enumerate(rpc_all("eth_getBlockByNumber", [[hex(i), False] for i in range(1, head + 1)]), 1):
    last_block[num(block["timestamp"]) // 86400] = number
last_blocks = [last_block[day] for day in sorted(last_block)]
samples = [(random.choice(everyone), random.randrange(head + 1)) for _ in range(SAMPLES)]
for (address, number), balance in zip(
        samples, rpc_all("eth_getBalance", [[a, hex(number)] for a, number in samples])):
    same(f"balance of {address} after block {number}", history[address][number], num(balance))

NAMES = ["sent", "received", "failed", "transfers_in", "transfers_out", "gas_used", "deployments",
         "token_transfers"]
AMOUNTS = ["value_in", "value_out", "fees_paid", "withdrawn"]
for address, places in appear.items():
    listed = pages("analytics_getAppearances", "transactions", address)
    same(f"appearances of {address}",
         [((e["block"], e["index"]), set(e["roles"])) for e in listed],
         sorted(((place, roles) for place, roles in places.items()), key=lambda p: p[0]))
    report = rpc("analytics_getAddress", address, 366)
    same("as_of", report["as_of"]["number"], head)
    everything = report["all_time"]
    same(f"count of {address}", everything["appearances"], len(places))
    same(f"first block of {address}", everything["first_seen"]["block"], min(places)[0])
    same(f"last block of {address}", everything["last_seen"]["block"], max(places)[0])
    for part in (everything, report):
        for name in NAMES:
            same(f"{name} of {address}", part[name], totals[address][name])
        for name in AMOUNTS:
            same(f"{name} of {address}", int(part[name]), totals[address][name])
    cells = [[0] * 24 for _ in range(7)]
    for (who, hour), counter in hours.items():
        if who == address:
            cells[(hour // 24 + 3) % 7][hour % 24] += counter["sent"] + counter["received"]
    same(f"heat map of {address}", report["heat_map"], cells)
    same(f"hours of {address}", report["hourly_activity"], [sum(c) for c in zip(*cells)])
    same(f"days of {address}", report["daily_activity"], [sum(c) for c in cells])
    same(f"balance of {address}", int(report["balance"]), history[address][head])
    same(f"days of the history of {address}", [e["block"] for e in report["balance_history"]], last_blocks)
    for entry in report["balance_history"]:
        same(f"balance of {address} at {entry['block']}", int(entry["balance"]),
             history[address][entry["block"]])
    ranked = sorted(((-c["interactions"], peer) for peer, c in peers[address].items()
                     if c["interactions"]))[:10]
    same(f"contacts of {address}",
         [(e["address"].lower(), e["interactions"]) for e in report["top_contacts"]],
         [(peer, -count) for count, peer in ranked])
    for entry in report["top_contacts"]:
        counter = peers[address][entry["address"].lower()]
        same("value out", int(entry["value_out"]), counter["value_out"])
        same("value in", int(entry["value_in"]), counter["value_in"])
    transfers = pages("analytics_getTokenTransfers", "transfers", address)
    same(f"token transfers of {address}",
         [(e["block"], e["index"], e["standard"], e["from"].lower(), e["to"].lower(),
           int(e["token_id"]), int(e["value"])) for e in transfers], moves[address])
    made = rpc("analytics_getDeployments", address, 1000)["contracts"]
    same(f"contracts of {address}",
         sorted((e["block"], e["transaction_index"], e["contract_address"].lower()) for e in made),
         sorted(deployments[address]))
    for entry in rpc("analytics_getTokens", address, 1000)["holdings"]:
        key = None if entry["token_id"] is None else int(entry["token_id"])
        amount = holdings[(address, entry["token"].lower(), key)]
        same(f"holding of {address}", int(entry["balance"]), max(0, amount))
        same(f"overdraft of {address}", entry["overdrawn"], amount < 0)

for token in sorted({token for _, token, _ in holdings}):
    want = sorted(((-amount, holder) for (holder, t, _), amount in holdings.items()
                   if t == token and amount > 0))
    answer = rpc("analytics_getHolders", token, 1000, True)
    have = answer["holdings"]
    same(f"holders of {token}",
         sorted((-int(e["balance"]), e["holder"].lower()) for e in have), want)
    same(f"order of {token}", [-int(e["balance"]) for e in have], [amount for amount, _ in want])
    if want:
        same(f"minted of {token}", int(answer["minted"]), minted[token])
        same(f"number of holders of {token}", answer["holders_count"], len(want))

# What the contract says is asked for, and differs for exactly those tokens that do not tell all.
for kind, token in kept.items():
    for entry in rpc("analytics_getHolders", token, 1000, True)["holdings"]:
        holder, id = entry["holder"], entry["token_id"]
        data = ("0x70a08231" + word(int(holder, 16)) if id is None
                else "0x00fdd58e" + word(int(holder, 16)) + word(int(id)))
        stated = num(rpc("eth_call", {"to": token, "data": data}, "latest"))
        same(f"balanceOf of {kind}", int(entry["balance_of"]), stated)
        same(f"mismatch of {kind}, {holder}", entry["mismatch"], kind in WRONG)
for address in appear:
    for entry in rpc("analytics_getTokens", address, 1000, True)["holdings"]:
        kind = next((k for k, token in kept.items() if token == entry["token"].lower()), None)
        if kind and int(entry["balance"]) > 0:
            same(f"mismatch of {kind}", entry["mismatch"], kind in WRONG)
for kind, token in kept.items():
    same(f"holders of {kind}",
         any(t == token and amount > 0 for (_, t, _), amount in holdings.items()), True)

# A contract that was destroyed and deployed again at its address has a row each time.
if redeployer:
    made = rpc("analytics_getDeployments", redeployer, 1000)["contracts"]
    again = [e["contract_address"].lower() for e in made]
    same("contracts at one address", (len(again) >= 2, len(set(again))), (True, 1))
    same("items of batches", any(len({move[5] for move in found if move[:2] == place}) == 2
                                 for found in moves.values() for place in {m[:2] for m in found}),
         True)

COUNTS = ["blocks", "transactions", "failed", "transfers", "new_addresses", "gas_used", "gas_limit",
          "blob_gas_used", "contracts", "token_transfers"]
SUMS = ["value", "burned", "tips"]


def compare(what, entry, hours, seconds):
    """Compares the figures of some hours with the sums of what they were made from."""
    total, fees = collections.Counter(), []
    for hour in hours:
        total.update(network[hour])
        fees += base_fees[hour]
    for name in COUNTS + SUMS:
        same(f"{name} in {what}", int(entry[name]), total[name])
    done = total["transactions"] - total["failed"]
    same(f"success rate in {what}", entry["success_rate"],
         done / total["transactions"] if total["transactions"] else None)
    same(f"tps in {what}", entry["tps"], total["transactions"] / seconds)
    same(f"base fees in {what}", {name: int(fee) for name, fee in entry["base_fee"].items()},
         {"least": min(fees), "average": sum(fees) // len(fees), "most": max(fees)})


report = rpc("analytics_getNetwork", 366)
for entry in report["hours"]:
    hour = entry["hour"] // 3600
    compare(f"hour {hour}", entry, [hour], 3600)
    same(f"active addresses in hour {hour}", entry["active_addresses"], len(active[hour]))
same("hours", [e["hour"] // 3600 for e in report["hours"]], sorted(network))
for entry in report["days"]:
    day = entry["day"] // 86400
    of_day = [hour for hour in network if hour // 24 == day]
    compare(f"day {day}", entry, of_day, 86400)
    same(f"active addresses on day {day}", entry["active_addresses"],
         len(set().union(*(active[hour] for hour in of_day))))
same("days", [e["day"] // 86400 for e in report["days"]], sorted(last_block))
compare("all", report["total"], network, min(366 * 86400, report["as_of"]["timestamp"]))

wealth = report["wealth"]
balances = {a: history[a][head] for a in everyone if history[a][head]}
same("accounts", wealth["accounts"], len(balances))
same("supply", int(wealth["supply"]), sum(balances.values()))
top = sorted(((-b, a) for a, b in balances.items()))[:20]
same("top accounts", [(-int(e["balance"]), e["address"].lower()) for e in wealth["top_accounts"]],
     top)
ordered = sorted(balances.values())
n, total = len(ordered), sum(ordered)
gini = fractions.Fraction(2 * sum((i + 1) * b for i, b in enumerate(ordered)), n * total)
gini -= fractions.Fraction(n + 1, n)
least, most = wealth["gini"]["least"], wealth["gini"]["most"]
# The last digits are those of the node's doubles.
same(f"gini {float(gini)} in {least} to {most}", least - 1e-12 <= gini <= most + 1e-12, True)
# What amounts within an eighth octave can differ by, if all have such.
root = 2 ** (1 / 16)
same(f"the distance of {least} and {most}", most - least <= (root - 1) / (root + 1) + 1e-12, True)
held, richest = 0, 0
for balance in reversed(ordered):
    if held > total // 2:
        break
    held, richest = held + balance, richest + 1
nakamoto = wealth["nakamoto"]
same(f"nakamoto {richest} in {nakamoto}", nakamoto["least"] <= richest <= nakamoto["most"], True)
what = sys.argv[2] if GENESIS else f"seed {SEED}"
print(f"{what}: {checks} figures of {len(appear)} addresses in {head} blocks are the same")
