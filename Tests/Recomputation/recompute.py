#!/usr/bin/env python3
"""Compares the analytics of a devnet with figures computed from its blocks, receipts and call traces.

    recompute.py http://127.0.0.1:8545 [SEED [BLOCKS]]

Makes a chain of random transactions (nested calls, creations, self-destructs, reverts, tokens of six
kinds and of none), with random reorganisations, and computes every figure again in plain Python from what the standard methods
of JSON-RPC say. Nothing of the node's own analytics is used for that. Needs nothing but Python.
"""
import collections
import json
import random
import sys
import urllib.request

URL = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
BLOCKS = int(sys.argv[3]) if len(sys.argv) > 3 else 40
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
SINGLE = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
random.seed(SEED)


def rpc(method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(URL, body, {"content-type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


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


accounts = rpc("eth_accounts")
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


rpc("evm_setAutomine", False)
redeployer = install(REDEPLOYER)
KINDS = ["standard", "fee", "rebasing", "no-return", "erc721", "erc1155"]
# Those whose events do not tell what is held.
WRONG = {"fee", "rebasing"}
kept = {kind: install(keeping_token(kind)) for kind in KINDS}
half = install(HALF)
reverter = install("5f5f5f5f34" + push20(half) + "5af15f5ffd")
creator, destroyer = install(CREATOR), install(DESTROYER)
tokens = [install(ERC20), install(ERC721), install(ERC1155)]
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
    kind = random.randrange(14)
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
    elif kind in (5, 6, 7):
        fields.update(to=tokens[kind - 5], data=data + word(value), value="0x0")
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

# ------------------------------------------------------------------------- what the chain says
head = int(rpc("eth_blockNumber"), 16)


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

for number in range(1, head + 1):
    block = rpc("eth_getBlockByNumber", hex(number), True)
    time, hour = num(block["timestamp"]), num(block["timestamp"]) // 3600
    base = num(block.get("baseFeePerGas"))
    n = network[hour]
    n["blocks"] += 1
    n["gas_used"] += num(block["gasUsed"])
    n["gas_limit"] += num(block["gasLimit"])
    appear[block["miner"]][(number, BLOCKWIDE)].add("coinbase")
    for w in block.get("withdrawals", []):
        appear[w["address"]][(number, BLOCKWIDE)].add("withdrawal")
    traces = rpc("debug_traceBlockByNumber", hex(number), {"tracer": "callTracer"}) if block["transactions"] else []
    for transaction, trace in zip(block["transactions"], traces):
        receipt = rpc("eth_getTransactionReceipt", transaction["hash"])
        index = num(transaction["transactionIndex"])
        place = (number, index)
        sender = transaction["from"]
        recipient = transaction["to"] or receipt["contractAddress"]
        gas, price = num(receipt["gasUsed"]), num(receipt["effectiveGasPrice"])
        failed = receipt["status"] == "0x0"
        appear[sender][place].add("sender")
        appear[recipient][place].add("recipient" if transaction["to"] else "created")

        def add(address, **amounts):
            for name, amount in amounts.items():
                totals[address][name] += amount
                hours[(address, hour)][name] += amount

        add(sender, sent=1, failed=int(failed), fees_paid=gas * price, gas_used=gas)
        add(recipient, received=1)
        n["transactions"] += 1
        n["failed"] += int(failed)
        n["burned"] += gas * base
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
            move = None
            if topics[0] == TRANSFER and len(topics) == 3 and len(data) == 66:
                move = ("erc20", topics[1], topics[2], 0, num(data))
            elif topics[0] == TRANSFER and len(topics) == 4 and data == "0x":
                move = ("erc721", topics[1], topics[2], num(topics[3]), 1)
            elif topics[0] == SINGLE and len(topics) == 4 and len(data) == 130:
                move = ("erc1155", topics[2], topics[3], int(data[2:66], 16), int(data[66:], 16))
            if move:
                standard, source, target, id, amount = move
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


NAMES = ["sent", "received", "failed", "transfers_in", "transfers_out", "gas_used", "deployments",
         "token_transfers"]
AMOUNTS = ["value_in", "value_out", "fees_paid"]
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
    same(f"balance of {address}", int(report["balance"]), num(rpc("eth_getBalance", address, "latest")))
    for entry in report["balance_history"]:
        same(f"balance of {address} at {entry['block']}", int(entry["balance"]),
             num(rpc("eth_getBalance", address, hex(entry["block"]))))
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

for token in tokens + list(kept.values()):
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
again = [e["contract_address"].lower() for e in rpc("analytics_getDeployments", redeployer, 1000)["contracts"]]
same("contracts at one address", (len(again) >= 2, len(set(again))), (True, 1))

report = rpc("analytics_getNetwork", 366)
for entry in report["hours"]:
    hour = entry["hour"] // 3600
    for name, value in network[hour].items():
        same(f"{name} in hour {hour}", int(entry[name]), value)
    same(f"active addresses in hour {hour}", entry["active_addresses"], len(active[hour]))
same("hours", len(report["hours"]), len(network))
for entry in report["days"]:
    day = entry["day"] // 86400
    want = set().union(*(who for hour, who in active.items() if hour // 24 == day), set())
    same(f"active addresses on day {day}", entry["active_addresses"], len(want))
balances = {}
for address in set(appear) | set(accounts):
    balance = num(rpc("eth_getBalance", address, "latest"))
    if balance:
        balances[address] = balance
top = sorted(((-b, a) for a, b in balances.items()))[:20]
same("top accounts", [(-int(e["balance"]), e["address"].lower())
                      for e in report["wealth"]["top_accounts"]][:10], top[:10])
ordered = sorted(balances.values())
total, n = sum(ordered), report["wealth"]["accounts"]
ordered = [0] * (n - len(ordered)) + ordered
gini = 2 * sum((i + 1) * b for i, b in enumerate(ordered)) / (n * total) - (n + 1) / n
same("gini", report["wealth"]["gini"]["least"] - 0.005 <= gini <= report["wealth"]["gini"]["most"] + 0.005, True)
print(f"seed {SEED}: {checks} figures of {len(appear)} addresses in {head} blocks are the same")
