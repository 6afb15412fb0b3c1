// Keccak-f[1600] (FIPS 202, section 3.3) over words of any type with ^ & ~ << >>: a 64-bit integer,
// or a vector of them that holds the same word of several states. keccak.c includes this file once
// for each kernel, with these macros:
//
//   KERNEL(name)  the name of a function in this kernel
//   WORD          the type of a word

#define ROTATE(x, n) (((x) << (n)) | ((x) >> (64 - (n))))

/// The 24 rounds. The word in column x and row y is `state[5 * y + x]`, here `a<y><x>`.
static inline __attribute__((always_inline)) void KERNEL(permute)(WORD state[25])
{
    WORD a00 = state[0], a01 = state[1], a02 = state[2], a03 = state[3], a04 = state[4];
    WORD a10 = state[5], a11 = state[6], a12 = state[7], a13 = state[8], a14 = state[9];
    WORD a20 = state[10], a21 = state[11], a22 = state[12], a23 = state[13], a24 = state[14];
    WORD a30 = state[15], a31 = state[16], a32 = state[17], a33 = state[18], a34 = state[19];
    WORD a40 = state[20], a41 = state[21], a42 = state[22], a43 = state[23], a44 = state[24];

    for (size_t round = 0; round < 24; round++) {
        // Theta: the parities of the columns, and what each column is changed by.
        WORD c0 = a00 ^ a10 ^ a20 ^ a30 ^ a40;
        WORD c1 = a01 ^ a11 ^ a21 ^ a31 ^ a41;
        WORD c2 = a02 ^ a12 ^ a22 ^ a32 ^ a42;
        WORD c3 = a03 ^ a13 ^ a23 ^ a33 ^ a43;
        WORD c4 = a04 ^ a14 ^ a24 ^ a34 ^ a44;
        WORD d0 = c4 ^ ROTATE(c1, 1);
        WORD d1 = c0 ^ ROTATE(c2, 1);
        WORD d2 = c1 ^ ROTATE(c3, 1);
        WORD d3 = c2 ^ ROTATE(c4, 1);
        WORD d4 = c3 ^ ROTATE(c0, 1);

        // Rho and pi: each word is rotated and moved; e<y><x> is the state after them.
        WORD e00 = a00 ^ d0;
        WORD e01 = ROTATE(a11 ^ d1, 44), e02 = ROTATE(a22 ^ d2, 43);
        WORD e03 = ROTATE(a33 ^ d3, 21), e04 = ROTATE(a44 ^ d4, 14);
        WORD e10 = ROTATE(a03 ^ d3, 28), e11 = ROTATE(a14 ^ d4, 20);
        WORD e12 = ROTATE(a20 ^ d0, 3), e13 = ROTATE(a31 ^ d1, 45), e14 = ROTATE(a42 ^ d2, 61);
        WORD e20 = ROTATE(a01 ^ d1, 1), e21 = ROTATE(a12 ^ d2, 6);
        WORD e22 = ROTATE(a23 ^ d3, 25), e23 = ROTATE(a34 ^ d4, 8), e24 = ROTATE(a40 ^ d0, 18);
        WORD e30 = ROTATE(a04 ^ d4, 27), e31 = ROTATE(a10 ^ d0, 36);
        WORD e32 = ROTATE(a21 ^ d1, 10), e33 = ROTATE(a32 ^ d2, 15), e34 = ROTATE(a43 ^ d3, 56);
        WORD e40 = ROTATE(a02 ^ d2, 62), e41 = ROTATE(a13 ^ d3, 55);
        WORD e42 = ROTATE(a24 ^ d4, 39), e43 = ROTATE(a30 ^ d0, 41), e44 = ROTATE(a41 ^ d1, 2);

        // Chi: a[x] = e[x] ^ (~e[x + 1] & e[x + 2]) in each row; iota: the round's constant.
        a00 = e00 ^ (~e01 & e02) ^ round_constants[round];
        a01 = e01 ^ (~e02 & e03);
        a02 = e02 ^ (~e03 & e04);
        a03 = e03 ^ (~e04 & e00);
        a04 = e04 ^ (~e00 & e01);
        a10 = e10 ^ (~e11 & e12);
        a11 = e11 ^ (~e12 & e13);
        a12 = e12 ^ (~e13 & e14);
        a13 = e13 ^ (~e14 & e10);
        a14 = e14 ^ (~e10 & e11);
        a20 = e20 ^ (~e21 & e22);
        a21 = e21 ^ (~e22 & e23);
        a22 = e22 ^ (~e23 & e24);
        a23 = e23 ^ (~e24 & e20);
        a24 = e24 ^ (~e20 & e21);
        a30 = e30 ^ (~e31 & e32);
        a31 = e31 ^ (~e32 & e33);
        a32 = e32 ^ (~e33 & e34);
        a33 = e33 ^ (~e34 & e30);
        a34 = e34 ^ (~e30 & e31);
        a40 = e40 ^ (~e41 & e42);
        a41 = e41 ^ (~e42 & e43);
        a42 = e42 ^ (~e43 & e44);
        a43 = e43 ^ (~e44 & e40);
        a44 = e44 ^ (~e40 & e41);
    }

    state[0] = a00, state[1] = a01, state[2] = a02, state[3] = a03, state[4] = a04;
    state[5] = a10, state[6] = a11, state[7] = a12, state[8] = a13, state[9] = a14;
    state[10] = a20, state[11] = a21, state[12] = a22, state[13] = a23, state[14] = a24;
    state[15] = a30, state[16] = a31, state[17] = a32, state[18] = a33, state[19] = a34;
    state[20] = a40, state[21] = a41, state[22] = a42, state[23] = a43, state[24] = a44;
}

#undef ROTATE
