pragma circom 2.1.6;

include "bits.circom";

// Baby Jubjub (EIP-2494): 168700 x^2 + y^2 = 1 + 168696 x^2 y^2. As 168700 is a square and 168696 is none, the addition
// formulas hold for all points on the curve: no denominator is ever zero.

function edwardsA() {
    return 168700;
}

function edwardsD() {
    return 168696;
}

// The sum of two constant points.
function sumOf(x1, y1, x2, y2) {
    var product = edwardsD() * x1 * x2 * y1 * y2;
    var sum[2];
    sum[0] = (x1 * y2 + y1 * x2) / (1 + product);
    sum[1] = (y1 * y2 - edwardsA() * x1 * x2) / (1 - product);
    return sum;
}

template OnCurve() {
    signal input in[2];
    signal xx <== in[0] * in[0];
    signal yy <== in[1] * in[1];
    edwardsA() * xx + yy - 1 === edwardsD() * xx * yy;
}

// The sum of two points on the curve.
template Sum() {
    signal input a[2];
    signal input b[2];
    signal output out[2];
    signal crossed <== a[0] * b[1];
    signal other <== a[1] * b[0];
    // y1 y2 - 168700 x1 x2, but for the two crossed products.
    signal folded <== (a[1] - edwardsA() * a[0]) * (b[0] + b[1]);
    signal product <== crossed * other;
    out[0] <-- (crossed + other) / (1 + edwardsD() * product);
    (1 + edwardsD() * product) * out[0] === crossed + other;
    out[1] <-- (folded + edwardsA() * crossed - other) / (1 - edwardsD() * product);
    (1 - edwardsD() * product) * out[1] === folded + edwardsA() * crossed - other;
}

// A point times a number with n bits, the most significant first in the work.
template Times(n) {
    signal input bits[n];
    signal input point[2];
    signal output out[2];
    signal chosen[n][2];
    component double[n];
    component add[n];
    for (var i = n - 1; i >= 0; i--) {
        double[i] = Sum();
        if (i == n - 1) {
            double[i].a[0] <== 0;
            double[i].a[1] <== 1;
            double[i].b[0] <== 0;
            double[i].b[1] <== 1;
        } else {
            double[i].a <== add[i + 1].out;
            double[i].b <== add[i + 1].out;
        }
        // The point, or the neutral one.
        chosen[i][0] <== bits[i] * point[0];
        chosen[i][1] <== bits[i] * (point[1] - 1) + 1;
        add[i] = Sum();
        add[i].a <== double[i].out;
        add[i].b <== chosen[i];
    }
    out <== add[0].out;
}

// The base point times a number with n bits: for each bit a constant is added, or the neutral point.
template TimesBase(n) {
    signal input bits[n];
    signal output out[2];
    var power[2] = [
        5299619240641551281634865583518297030282874472190772894086521144482721001553,
        16950150798460657717958625567821834550301663161624707787222815936182638968203
    ];
    component add[n];
    for (var i = 0; i < n; i++) {
        add[i] = Sum();
        if (i == 0) {
            add[i].a[0] <== 0;
            add[i].a[1] <== 1;
        } else {
            add[i].a <== add[i - 1].out;
        }
        add[i].b[0] <== bits[i] * power[0];
        add[i].b[1] <== bits[i] * (power[1] - 1) + 1;
        power = sumOf(power[0], power[1], power[0], power[1]);
    }
    out <== add[n - 1].out;
}

// y, with the topmost of 256 bits set if x is odd.
template Encode() {
    signal input in[2];
    signal output out[8][32];
    component x = FieldToBits();
    component y = FieldToBits();
    x.in <== in[0];
    y.in <== in[1];
    for (var i = 0; i < 254; i++) {
        out[7 - i \ 32][i % 32] <== y.out[i];
    }
    out[0][30] <== 0;
    out[0][31] <== x.out[0];
}
