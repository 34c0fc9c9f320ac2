// Random bits by counting: word j of counter c is a function of c and a key, and of no state.
// Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox 4x32-10.
#pragma once

struct Philox {
    unsigned word[4];

    __device__ Philox(unsigned long long counter, unsigned long long key)
        : word{static_cast<unsigned>(counter), static_cast<unsigned>(counter >> 32), 0, 0} {
        unsigned k0 = static_cast<unsigned>(key), k1 = static_cast<unsigned>(key >> 32);
        for (int round = 0; round < 10; ++round) {
            const unsigned long long a = 0xD2511F53ull * word[0], b = 0xCD9E8D57ull * word[2];
            const unsigned high_a = static_cast<unsigned>(a >> 32);
            const unsigned high_b = static_cast<unsigned>(b >> 32);
            word[0] = high_b ^ word[1] ^ k0;
            word[1] = static_cast<unsigned>(b);
            word[2] = high_a ^ word[3] ^ k1;
            word[3] = static_cast<unsigned>(a);
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
    }
};
