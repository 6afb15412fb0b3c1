// Many messages at a time, each in its own lane of the vectors. keccak.c includes this file once
// for each SIMD kernel.
//
//   KERNEL(name)  the name of a function in this kernel
//   WORD          a vector of LANES words
//   LANES         the number of messages at a time

/// The digests of all messages of `batch`. A lane whose message is finished takes the next one at
/// once, so messages of different lengths fill the lanes well.
static void KERNEL(hash_batch)(struct batch batch, uint64_t *digests)
{
    WORD state[25] = {0};
    union {                                // The block that each lane absorbs next; idle lanes
        WORD vectors[RATE / 8];            // absorb again what stands there, for nothing.
        uint64_t words[RATE / 8][LANES];
    } input = {0};
    const uint8_t *data[LANES] = {0};      // What is left of the lane's message…
    size_t left[LANES] = {0};              // …and how many bytes.
    size_t message[LANES] = {0};           // The message in the lane.
    bool is_busy[LANES] = {0};
    size_t next = 0, busy = 0;

    while (true) {
        WORD keep = ~(WORD){0};            // Ones in lanes that go on, zero in those that start.
        for (size_t lane = 0; lane < LANES; lane++) {
            if (!is_busy[lane]) {
                if (next == batch.count) continue;
                keep[lane] = 0;
                message[lane] = next;
                data[lane] = message_start(batch, next);
                left[lane] = (size_t)(message_end(batch, next) - data[lane]);
                is_busy[lane] = true;
                busy++;
                next++;
            }
            size_t whole = left[lane] < RATE ? left[lane] / 8 : RATE / 8;
            for (size_t i = 0; i < whole; i++) input.words[i][lane] = load(data[lane] + 8 * i);
            if (left[lane] < RATE) {
                input.words[whole][lane] = load_last(data[lane] + 8 * whole, left[lane] % 8);
                for (size_t i = whole + 1; i < RATE / 8; i++) input.words[i][lane] = 0;
                input.words[RATE / 8 - 1][lane] ^= LAST_BIT;
            }
        }
        if (busy == 0) return;

        for (size_t i = 0; i < RATE / 8; i++) state[i] = (state[i] & keep) ^ input.vectors[i];
        for (size_t i = RATE / 8; i < 25; i++) state[i] &= keep;
        KERNEL(permute)(state);

        for (size_t lane = 0; lane < LANES; lane++) {
            if (!is_busy[lane]) continue;
            if (left[lane] >= RATE) {
                data[lane] += RATE;
                left[lane] -= RATE;
                continue;
            }
            for (size_t i = 0; i < 4; i++)
                digests[4 * message[lane] + i] = __builtin_bswap64(state[i][lane]);
            is_busy[lane] = false;
            busy--;
        }
    }
}
