pragma circom 2.1.6;

include "compress.circom";

// SHA-256 (FIPS 180-4) of messages, from its compression function.

// The fractional parts of the square roots of the first 8 primes: where SHA-256 starts.
function initialState() {
    var h[8] = [
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
    ];
    return h;
}

// SHA-256 of a message that is padded already, as 16 words a block.
template Sha256Blocks(blocks) {
    signal input in[16 * blocks][32];
    signal output out[8][32];

    var start[8] = initialState();
    component compress[blocks];
    for (var b = 0; b < blocks; b++) {
        compress[b] = Compress();
        for (var i = 0; i < 8; i++) {
            for (var j = 0; j < 32; j++) {
                if (b == 0) {
                    compress[b].state[i][j] <== (start[i] >> j) & 1;
                } else {
                    compress[b].state[i][j] <== compress[b - 1].out[i][j];
                }
            }
        }
        for (var i = 0; i < 16; i++) {
            compress[b].block[i] <== in[16 * b + i];
        }
    }
    out <== compress[blocks - 1].out;
}

// SHA-256 of a message of so many words.
template Sha256(words) {
    var blocks = (words + 3 + 15) \ 16;
    signal input in[words][32];
    signal output out[8][32];

    component hash = Sha256Blocks(blocks);
    for (var i = 0; i < 16 * blocks; i++) {
        if (i < words) {
            hash.in[i] <== in[i];
        } else {
            // A one bit, zeros, and the length in bits in the last two words.
            var padding = 0;
            if (i == words) {
                padding = 1 << 31;
            }
            if (i == 16 * blocks - 1) {
                padding = 32 * words;
            }
            for (var j = 0; j < 32; j++) {
                hash.in[i][j] <== (padding >> j) & 1;
            }
        }
    }
    out <== hash.out;
}
