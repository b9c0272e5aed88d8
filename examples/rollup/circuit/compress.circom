pragma circom 2.1.6;

include "bits.circom";

// SHA-256's compression function (FIPS 180-4, 6.2.2) over words of 32 bits, the least significant bit first.
//
// Every input bit must be boolean: the caller sees to that. Outputs then are.
//
// Both three-input functions take one constraint a bit. With x = a + b + c in {0, 1, 2, 3},
//   parity:   y (2x - 3) = x (x - 2)   as   x (x - 2y - 2) = -3y
//   majority: y (4x - 6) = x (x - 1)   as   x (x - 4y - 1) = -6y
// Neither 2x - 3 nor 4x - 6 is zero for such an x, so that y is the only solution, and a bit.

// The fractional parts of the cube roots of the first 64 primes.
function roundConstant(t) {
    var k[64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
    ];
    return k[t];
}

// The word rotated right by two distances, and by a third or, with `shift`, shifted by it: the parity of the three.
template Sigma(first, second, third, shift) {
    signal input in[32];
    signal output out[32];
    for (var i = 0; i < 32; i++) {
        var x = in[(i + first) % 32] + in[(i + second) % 32];
        if (!shift || i + third < 32) {
            x += in[(i + third) % 32];
        }
        out[i] <-- x % 2;
        x * (x - 2 * out[i] - 2) === -3 * out[i];
    }
}

template Majority() {
    signal input a[32];
    signal input b[32];
    signal input c[32];
    signal output out[32];
    for (var i = 0; i < 32; i++) {
        var x = a[i] + b[i] + c[i];
        out[i] <-- x >> 1;
        x * (x - 4 * out[i] - 1) === -6 * out[i];
    }
}

// For each bit, `yes` where `of` is 1 and `no` where it is 0.
template Choose() {
    signal input of[32];
    signal input yes[32];
    signal input no[32];
    signal output out[32];
    for (var i = 0; i < 32; i++) {
        out[i] <== of[i] * (yes[i] - no[i]) + no[i];
    }
}

// One round: `a` and `e` are the words a..d and e..h of FIPS 180-4, the latest first; `w` is the round's word.
template Round(constant) {
    signal input a[4][32];
    signal input e[4][32];
    signal input w[32];
    signal output newA[32];
    signal output newE[32];

    component sigma0 = Sigma(2, 13, 22, 0);
    component sigma1 = Sigma(6, 11, 25, 0);
    component choose = Choose();
    component majority = Majority();
    sigma0.in <== a[0];
    sigma1.in <== e[0];
    choose.of <== e[0];
    choose.yes <== e[1];
    choose.no <== e[2];
    majority.a <== a[0];
    majority.b <== a[1];
    majority.c <== a[2];

    var first = constant;
    var second = 0;
    var forE = 0;
    for (var i = 0; i < 32; i++) {
        first += (e[3][i] + sigma1.out[i] + choose.out[i] + w[i]) * (1 << i);
        second += (sigma0.out[i] + majority.out[i]) * (1 << i);
        forE += a[3][i] * (1 << i);
    }
    // Six and seven words: below 2^35.
    component sumE = LowWord(35);
    component sumA = LowWord(35);
    sumE.in <== first + forE;
    sumA.in <== first + second;
    newE <== sumE.out;
    newA <== sumA.out;
}

// A word of the schedule, from those 16, 15, 7 and 2 before it.
template Schedule() {
    signal input back16[32];
    signal input back15[32];
    signal input back7[32];
    signal input back2[32];
    signal output out[32];

    component sigma0 = Sigma(7, 18, 3, 1);
    component sigma1 = Sigma(17, 19, 10, 1);
    sigma0.in <== back15;
    sigma1.in <== back2;
    var all = 0;
    for (var i = 0; i < 32; i++) {
        all += (back16[i] + sigma0.out[i] + back7[i] + sigma1.out[i]) * (1 << i);
    }
    component sum = LowWord(34);
    sum.in <== all;
    out <== sum.out;
}

// The low 32 bits of a number below 2^n.
template LowWord(n) {
    signal input in;
    signal output out[32];
    component bits = ToBits(n);
    bits.in <== in;
    for (var i = 0; i < 32; i++) {
        out[i] <== bits.out[i];
    }
}

// The state after one block of 16 words.
template Compress() {
    signal input state[8][32];
    signal input block[16][32];
    signal output out[8][32];

    signal w[64][32];
    component schedule[48];
    for (var t = 0; t < 64; t++) {
        if (t < 16) {
            w[t] <== block[t];
        } else {
            schedule[t - 16] = Schedule();
            schedule[t - 16].back16 <== w[t - 16];
            schedule[t - 16].back15 <== w[t - 15];
            schedule[t - 16].back7 <== w[t - 7];
            schedule[t - 16].back2 <== w[t - 2];
            w[t] <== schedule[t - 16].out;
        }
    }

    // What rounds yield, after the four words that they start from: of a as d, c, b, a; of e as h, g, f, e.
    signal a[68][32];
    signal e[68][32];
    for (var i = 0; i < 4; i++) {
        a[i] <== state[3 - i];
        e[i] <== state[7 - i];
    }
    component round[64];
    for (var t = 0; t < 64; t++) {
        round[t] = Round(roundConstant(t));
        for (var i = 0; i < 4; i++) {
            round[t].a[i] <== a[t + 3 - i];
            round[t].e[i] <== e[t + 3 - i];
        }
        round[t].w <== w[t];
        a[t + 4] <== round[t].newA;
        e[t + 4] <== round[t].newE;
    }

    component sum[8];
    for (var i = 0; i < 8; i++) {
        var all = 0;
        for (var j = 0; j < 32; j++) {
            if (i < 4) {
                all += (state[i][j] + a[67 - i][j]) * (1 << j);
            } else {
                all += (state[i][j] + e[71 - i][j]) * (1 << j);
            }
        }
        sum[i] = LowWord(33);
        sum[i].in <== all;
        out[i] <== sum[i].out;
    }
}
