#!/usr/bin/env python3
"""Sets the times of apus-bench beside those of Python's usual libraries for the same work.

coincurve and ckzg are C libraries (libsecp256k1, c-kzg-4844 with blst), py_ecc is plain Python.

    make bench-evm
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import fixtures


# Nanoseconds for a byte of contract code, from the bytes to decoded code.
TRANSLATION_LIMIT = 12


def median(function, runs):
    """Nanoseconds of a call."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        function()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times)


def coincurve_recover():
    from coincurve import PrivateKey, PublicKey
    message = bytes(range(32))
    signature = PrivateKey(bytes(31) + b"\x07").sign_recoverable(message, hasher=None)
    return lambda: PublicKey.from_signature_and_message(signature, message, hasher=None)


def coincurve_sign():
    from coincurve import PrivateKey
    key, message = PrivateKey(bytes(31) + b"\x07"), bytes(range(32))
    return lambda: key.sign_recoverable(message, hasher=None)


def keccak(size):
    from Crypto.Hash import keccak as pycryptodome
    data = bytes(size)
    return lambda: pycryptodome.new(digest_bits=256, data=data).digest()


def point_evaluation():
    import ckzg
    setup = ckzg.load_trusted_setup(str(fixtures.archive("kzg") / "src/trusted_setup.txt"), 0)
    vectors = fixtures.archive("precompile-vectors-geth")
    fixtures.archive("evm-benchmarks")
    with open(vectors / "pointEvaluation.json") as file:
        data = bytes.fromhex(json.load(file)[0]["Input"])
    z, y, commitment, proof = data[32:64], data[64:96], data[96:144], data[144:192]
    return lambda: ckzg.verify_kzg_proof(commitment, z, y, proof, setup)


def py_ecc_pairing(curve):
    import importlib
    module = importlib.import_module(f"py_ecc.optimized_{curve}")
    a, b = module.multiply(module.G1, 5), module.multiply(module.G2, 7)

    def check():
        module.final_exponentiate(
            module.pairing(b, a, final_exponentiate=False)
            * module.pairing(module.G2, a, final_exponentiate=False))
    return check


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=".build/release/apus-bench", help="the binary")
    options = parser.parse_args()
    # apus-bench reads vectors from there; packed archives are unpacked first.
    vectors = fixtures.archive("precompile-vectors-geth")
    environment = dict(os.environ, APUS_FIXTURES=str(vectors.parent)) if vectors else os.environ
    text = subprocess.run(
        [options.bench, "--json"], check=True, capture_output=True, text=True, env=environment)
    apus = json.loads(text.stdout)

    others = [
        ("keccak 32 B", "pycryptodome", lambda: keccak(32), 2000),
        ("keccak 1024 B", "pycryptodome", lambda: keccak(1024), 2000),
        ("sign", "coincurve", coincurve_sign, 2000),
        ("recover sender", "coincurve", coincurve_recover, 2000),
        ("precompile bn256Pairing jeff1", "py_ecc", lambda: py_ecc_pairing("bn128"), 2),
        ("precompile blsPairing", "py_ecc", lambda: py_ecc_pairing("bls12_381"), 2),
        ("precompile pointEvaluation", "ckzg", point_evaluation, 200),
    ]
    compared = {}
    for name, library, make, runs in others:
        key = next((key for key in apus if key.startswith(name)), None)
        if key is None:
            continue
        try:
            compared[key] = (library, median(make(), runs))
        except ImportError:
            continue
    print(f"{'':44} {'Apus µs':>12} {'per second':>12}")
    for name, nanoseconds in apus.items():
        line = f"{name:44.44} {nanoseconds / 1000:12.3f} {1e9 / max(nanoseconds, 1e-3):12.0f}"
        if name in compared:
            library, other = compared[name]
            line += f"   {library} {other / 1000:.3f} µs, ratio {nanoseconds / other:.3f}"
        print(line)
    translation = max(
        (time for name, time in apus.items() if name.startswith("code translation of")), default=0)
    print(f"code translation: {translation:.1f} ns a byte, limit {TRANSLATION_LIMIT}")
    if translation > TRANSLATION_LIMIT:
        raise SystemExit("code translation is above its limit")


if __name__ == "__main__":
    main()
