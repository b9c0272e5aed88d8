pragma circom 2.1.6;

// Numbers and bits. Bits go from the least significant on; words have 32 of them; a hash is eight words, the most
// significant first.

// The n bits of a number below 2^n. For n up to 253: beyond, the sum could wrap around the field.
template ToBits(n) {
    signal input in;
    signal output out[n];
    var sum = 0;
    for (var i = 0; i < n; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * (out[i] - 1) === 0;
        sum += out[i] * (1 << i);
    }
    sum === in;
}

// Holds if the number with these bits is at most a constant. From the most significant bit on, `same` says whether all so
// far are the constant's; while they are, there is no one where the constant has a zero.
template AtMost(n, constant) {
    signal input in[n];
    signal same[n + 1];
    same[n] <== 1;
    for (var i = n - 1; i >= 0; i--) {
        if ((constant >> i) & 1) {
            same[i] <== same[i + 1] * in[i];
        } else {
            same[i + 1] * in[i] === 0;
            same[i] <== same[i + 1];
        }
    }
}

// The 254 bits of a field element, those of the number below the modulus.
template FieldToBits() {
    signal input in;
    signal output out[254];
    var sum = 0;
    for (var i = 0; i < 254; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * (out[i] - 1) === 0;
        sum += out[i] * (1 << i);
    }
    sum === in;
    component canonical = AtMost(254, -1);
    canonical.in <== out;
}

// The two words of a number below 2^64, the most significant first.
template ToTwoWords() {
    signal input in;
    signal output out[2][32];
    component bits = ToBits(64);
    bits.in <== in;
    for (var j = 0; j < 32; j++) {
        out[0][j] <== bits.out[32 + j];
        out[1][j] <== bits.out[j];
    }
}

// Bits of eight words.
template ToHash() {
    signal input in[8];
    signal output out[8][32];
    component bits[8];
    for (var i = 0; i < 8; i++) {
        bits[i] = ToBits(32);
        bits[i].in <== in[i];
        out[i] <== bits[i].out;
    }
}

// Two hashes are the same, if it matters.
template SameIf() {
    signal input when;
    signal input a[8][32];
    signal input b[8][32];
    for (var i = 0; i < 8; i++) {
        for (var j = 0; j < 32; j++) {
            when * (a[i][j] - b[i][j]) === 0;
        }
    }
}
