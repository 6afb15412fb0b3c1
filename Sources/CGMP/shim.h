#pragma once
#include <gmp.h>
#include <stddef.h>

// gmp.h names its functions by macro (mpz_powm is __gmpz_powm), which Swift does not import.

/// out (moduloCount bytes, big endian) = base ^ exponent mod modulus; all operands big endian.
static inline void gmp_modexp(
    const unsigned char *base, size_t baseCount, const unsigned char *exponent,
    size_t exponentCount, const unsigned char *modulus, size_t modulusCount, unsigned char *out)
{
    mpz_t b, e, m, r;
    mpz_inits(b, e, m, r, NULL);
    mpz_import(b, baseCount, 1, 1, 0, 0, base);
    mpz_import(e, exponentCount, 1, 1, 0, 0, exponent);
    mpz_import(m, modulusCount, 1, 1, 0, 0, modulus);
    for (size_t i = 0; i < modulusCount; i++) out[i] = 0;
    if (mpz_sgn(m) != 0) {
        mpz_powm(r, b, e, m);
        if (mpz_sgn(r) != 0) {
            size_t count = (mpz_sizeinbase(r, 2) + 7) / 8;
            mpz_export(out + modulusCount - count, NULL, 1, 1, 0, 0, r);
        }
    }
    mpz_clears(b, e, m, r, NULL);
}
