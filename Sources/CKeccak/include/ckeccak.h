/// Keccak-256 as Ethereum uses it (the original padding 0x01, not that of SHA-3): one message at a
/// time, and many messages at once in the lanes of SIMD registers.
///
/// The fastest kernel that the processor supports is chosen once, when the program is loaded.
/// Digests are four words: the digest's bytes 0…7, 8…15, 16…23, 24…31, each read as a big-endian
/// integer.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What a kernel needs of the processor. All kernels give the same digests.
typedef enum {
    /// Standard C; one message at a time.
    CKECCAK_PORTABLE = 0,
    /// x86-64 with AVX2 and BMI2; four messages at a time.
    CKECCAK_AVX2 = 1,
    /// x86-64 with AVX-512 F and VL; eight messages at a time.
    CKECCAK_AVX512 = 2,
} ckeccak_kernel;

/// Whether this processor can run `kernel`.
bool ckeccak_is_supported(ckeccak_kernel kernel);

/// The kernel that `ckeccak256` and `ckeccak256_batch` use: the last supported one.
ckeccak_kernel ckeccak_best_kernel(void);

/// The digest of the `length` bytes at `data`.
void ckeccak256(const uint8_t *data, size_t length, uint64_t digest[4]);

/// The digests of `count` messages that lie one after the other at `data`: message i ends before
/// byte `ends[i]` and begins where message i - 1 ends. `ends` is ascending. `digests` has room for
/// `4 * count` words.
void ckeccak256_batch(const uint8_t *data, const size_t *ends, size_t count, uint64_t *digests);

/// The digests of `count` messages of `length` bytes each that lie one after the other at `data`.
void ckeccak256_batch_fixed(const uint8_t *data, size_t length, size_t count, uint64_t *digests);

/// Keccak-512, of which only Ethash makes use. The digest is eight words, each of eight bytes in
/// little-endian order, as Ethash mixes them.
void ckeccak512(const uint8_t *data, size_t length, uint64_t digest[8]);

/// `ckeccak256` and `ckeccak256_batch` with a kernel of choice, which must be supported.
void ckeccak256_with(ckeccak_kernel kernel, const uint8_t *data, size_t length, uint64_t digest[4]);
void ckeccak256_batch_with(
    ckeccak_kernel kernel, const uint8_t *data, const size_t *ends, size_t count,
    uint64_t *digests);
