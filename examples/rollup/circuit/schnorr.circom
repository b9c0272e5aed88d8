pragma circom 2.1.6;

include "curve.circom";
include "sha256.circom";

// The order of the base point, less one.
function lastScalar() {
    return 2736030358979909402780800718157159386076813972158567259200215660948447373040;
}

// A key of prime order: eight times a point on the curve, and not neutral, which is the only such point with x = 0.
template Key() {
    signal input eighth[2];
    signal output out[2];
    component curve = OnCurve();
    curve.in <== eighth;
    component double[3];
    for (var i = 0; i < 3; i++) {
        double[i] = Sum();
        if (i == 0) {
            double[i].a <== eighth;
            double[i].b <== eighth;
        } else {
            double[i].a <== double[i - 1].out;
            double[i].b <== double[i - 1].out;
        }
    }
    out <== double[2].out;
    signal inverse <-- 1 / out[0];
    out[0] * inverse === 1;
}

// A signature R, s of twelve words holds, if it matters: R is the encoding of s B - c key, c the first 128 bits of
// SHA-256(R, key, words, "rollup1"). Yields the key's encoding, whether it matters or not.
template Schnorr() {
    signal input when;
    signal input eighth[2];
    signal input r[8][32];
    signal input s[8][32];
    signal input words[12][32];
    signal output key[8][32];

    component point = Key();
    point.eighth <== eighth;
    component encode = Encode();
    encode.in <== point.out;
    key <== encode.out;

    // 119 bytes, the bit that ends them, and their length fill two blocks.
    var ending[4] = [0x726f6c6c, 0x75703180, 0, 952];
    component hash = Sha256Blocks(2);
    for (var i = 0; i < 8; i++) {
        hash.in[i] <== r[i];
        hash.in[8 + i] <== key[i];
    }
    for (var i = 0; i < 12; i++) {
        hash.in[16 + i] <== words[i];
    }
    for (var i = 0; i < 4; i++) {
        for (var j = 0; j < 32; j++) {
            hash.in[28 + i][j] <== (ending[i] >> j) & 1;
        }
    }

    component scalar = AtMost(256, lastScalar());
    component base = TimesBase(251);
    component times = Times(128);
    for (var i = 0; i < 256; i++) {
        scalar.in[i] <== s[7 - i \ 32][i % 32];
        if (i < 251) {
            base.bits[i] <== s[7 - i \ 32][i % 32];
        }
        if (i < 128) {
            times.bits[i] <== hash.out[3 - i \ 32][i % 32];
        }
    }
    times.point <== point.out;
    component difference = Sum();
    difference.a <== base.out;
    difference.b[0] <== -times.out[0];
    difference.b[1] <== times.out[1];

    component commitment = Encode();
    commitment.in <== difference.out;
    component same = SameIf();
    same.when <== when;
    same.a <== commitment.out;
    same.b <== r;
}
