// The kernels, and the choice among them. permutation.h, sponge.h and lanes.h are the code that
// they share.
#include "ckeccak.h"
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Keccak reads words in little-endian order."
#endif

/// Bytes that a permutation absorbs: 1600 bits less twice the digest's 256, over 8.
#define RATE 136

/// The padding's last byte, 0x80, in the block's last word.
#define LAST_BIT 0x8000000000000000

static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/// Messages that lie one after the other: ends where `ends` says, or `length` bytes each where
/// `ends` is null.
struct batch {
    const uint8_t *data;
    const size_t *ends;
    size_t length;
    size_t count;
};

static inline const uint8_t *message_end(struct batch batch, size_t index)
{
    return batch.data + (batch.ends ? batch.ends[index] : (index + 1) * batch.length);
}

static inline const uint8_t *message_start(struct batch batch, size_t index)
{
    return index == 0 ? batch.data : message_end(batch, index - 1);
}

static inline uint64_t load(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

/// The last `count` (at most 7) bytes of a message and the padding's first byte, 0x01.
static inline uint64_t load_last(const uint8_t *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) word |= (uint64_t)bytes[i] << (8 * i);
    return word | (uint64_t)0x01 << (8 * count);
}

// MARK: Portable

#define KERNEL(name) portable_##name
#define WORD uint64_t
#define WORD_OF(x) (x)
#define FIRST(w) (w)
#include "permutation.h"
#include "sponge.h"
#undef KERNEL

static void portable_hash_batch(struct batch batch, uint64_t *digests)
{
    for (size_t i = 0; i < batch.count; i++) {
        const uint8_t *start = message_start(batch, i);
        portable_hash(start, (size_t)(message_end(batch, i) - start), digests + 4 * i);
    }
}

/// Bytes that a permutation of Keccak-512 absorbs: 1600 bits less twice the digest's 512, over 8.
#define WIDE_RATE 72

void ckeccak512(const uint8_t *data, size_t length, uint64_t digest[8])
{
    uint64_t state[25] = {0};
    for (; length >= WIDE_RATE; data += WIDE_RATE, length -= WIDE_RATE) {
        for (size_t i = 0; i < WIDE_RATE / 8; i++) state[i] ^= load(data + 8 * i);
        portable_permute(state);
    }
    size_t whole = length / 8;
    for (size_t i = 0; i < whole; i++) state[i] ^= load(data + 8 * i);
    state[whole] ^= load_last(data + 8 * whole, length % 8);
    state[WIDE_RATE / 8 - 1] ^= LAST_BIT;
    portable_permute(state);
    memcpy(digest, state, 64);
}

#if defined(__x86_64__)

// MARK: AVX2 and BMI2

#pragma clang attribute push(__attribute__((target("bmi,bmi2"))), apply_to = function)
#define KERNEL(name) bmi2_##name
#include "permutation.h"
#include "sponge.h"
#undef KERNEL
#undef WORD
#undef WORD_OF
#undef FIRST
#pragma clang attribute pop

typedef uint64_t word4 __attribute__((vector_size(32)));

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define KERNEL(name) avx2_##name
#define WORD word4
#define LANES 4
#include "permutation.h"
#include "lanes.h"
#undef KERNEL
#undef WORD
#undef LANES
#pragma clang attribute pop

// MARK: AVX-512

typedef uint64_t word2 __attribute__((vector_size(16)));
typedef uint64_t word8 __attribute__((vector_size(64)));

#pragma clang attribute push(__attribute__((target("avx512f,avx512vl"))), apply_to = function)
#define KERNEL(name) avx512vl_##name
#define WORD word2
#define WORD_OF(x) ((word2){(x), 0})
#define FIRST(w) ((w)[0])
#include "permutation.h"
#include "sponge.h"
#undef KERNEL
#undef WORD
#undef WORD_OF
#undef FIRST

#define KERNEL(name) avx512_##name
#define WORD word8
#define LANES 8
#include "permutation.h"
#include "lanes.h"
#undef KERNEL
#undef WORD
#undef LANES
#pragma clang attribute pop

#endif

// MARK: Dispatch

struct kernel {
    void (*hash)(const uint8_t *data, size_t length, uint64_t digest[4]);
    void (*hash_batch)(struct batch batch, uint64_t *digests);
};

static const struct kernel kernels[] = {
    [CKECCAK_PORTABLE] = {portable_hash, portable_hash_batch},
#if defined(__x86_64__)
    [CKECCAK_AVX2] = {bmi2_hash, avx2_hash_batch},
    [CKECCAK_AVX512] = {avx512vl_hash, avx512_hash_batch},
#endif
};

/// Written once before `main`, then only read.
static ckeccak_kernel best = CKECCAK_PORTABLE;

bool ckeccak_is_supported(ckeccak_kernel kernel)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    switch (kernel) {
    case CKECCAK_PORTABLE:
        return true;
    case CKECCAK_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
            && __builtin_cpu_supports("bmi2");
    case CKECCAK_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
    }
    return false;
#else
    return kernel == CKECCAK_PORTABLE;
#endif
}

static __attribute__((constructor)) void choose_kernel(void)
{
    if (ckeccak_is_supported(CKECCAK_AVX2)) best = CKECCAK_AVX2;
    if (ckeccak_is_supported(CKECCAK_AVX512)) best = CKECCAK_AVX512;
}

ckeccak_kernel ckeccak_best_kernel(void) { return best; }

void ckeccak256(const uint8_t *data, size_t length, uint64_t digest[4])
{
    kernels[best].hash(data, length, digest);
}

/// A message that is alone leaves most lanes idle: it is faster by itself.
static void hash_batch(struct kernel kernel, struct batch batch, uint64_t *digests)
{
    if (batch.count == 1)
        kernel.hash(batch.data, (size_t)(message_end(batch, 0) - batch.data), digests);
    else
        kernel.hash_batch(batch, digests);
}

void ckeccak256_batch(const uint8_t *data, const size_t *ends, size_t count, uint64_t *digests)
{
    hash_batch(kernels[best], (struct batch){data, ends, 0, count}, digests);
}

void ckeccak256_batch_fixed(const uint8_t *data, size_t length, size_t count, uint64_t *digests)
{
    hash_batch(kernels[best], (struct batch){data, NULL, length, count}, digests);
}

void ckeccak256_with(ckeccak_kernel kernel, const uint8_t *data, size_t length, uint64_t digest[4])
{
    kernels[kernel].hash(data, length, digest);
}

void ckeccak256_batch_with(
    ckeccak_kernel kernel, const uint8_t *data, const size_t *ends, size_t count,
    uint64_t *digests)
{
    hash_batch(kernels[kernel], (struct batch){data, ends, 0, count}, digests);
}
