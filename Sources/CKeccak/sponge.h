// The sponge around the permutation for one message at a time. keccak.c includes this file once for
// each scalar kernel.
//
//   KERNEL(name)  the name of a function in this kernel
//   WORD          uint64_t, or a vector of which only the first lane counts
//   WORD_OF(x)    the WORD whose first lane is x
//   FIRST(w)      the first lane of a WORD

/// The digest of one message.
static void KERNEL(hash)(const uint8_t *data, size_t length, uint64_t digest[4])
{
    WORD state[25] = {0};
    for (; length >= RATE; data += RATE, length -= RATE) {
        for (size_t i = 0; i < RATE / 8; i++) state[i] ^= WORD_OF(load(data + 8 * i));
        KERNEL(permute)(state);
    }
    // The last block: the bytes that are left, 0x01 after them, 0x80 in the block's last byte.
    size_t whole = length / 8;
    for (size_t i = 0; i < whole; i++) state[i] ^= WORD_OF(load(data + 8 * i));
    state[whole] ^= WORD_OF(load_last(data + 8 * whole, length % 8));
    state[RATE / 8 - 1] ^= WORD_OF(LAST_BIT);
    KERNEL(permute)(state);
    for (size_t i = 0; i < 4; i++) digest[i] = __builtin_bswap64(FIRST(state[i]));
}
