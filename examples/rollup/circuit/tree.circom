pragma circom 2.1.6;

include "compress.circom";

// The state's Merkle tree: one run of the compression function for each node and each leaf, from different states.

// SHA-256 of "zkpool example rollup: leaf".
function leafState() {
    var h[8] = [
        0x560cd0fd, 0x0be2fb7e, 0x4d63aeb0, 0x4bae432f, 0x27523828, 0x5b25484e, 0xdea3352c, 0x7e113766
    ];
    return h;
}

// SHA-256 of "zkpool example rollup: node".
function nodeState() {
    var h[8] = [
        0x3b10c342, 0x84ccfa71, 0x063c2157, 0x14e02973, 0xe38dc472, 0xbc1bcaab, 0xc313cfd6, 0x1ea91bc1
    ];
    return h;
}

// The leaf of an account: its key, balance and nonce, and five words of zeros.
template Leaf() {
    signal input key[8][32];
    signal input balance[2][32];
    signal input nonce[32];
    signal output out[8][32];
    component compress = Compress();
    var start[8] = leafState();
    for (var i = 0; i < 8; i++) {
        for (var j = 0; j < 32; j++) {
            compress.state[i][j] <== (start[i] >> j) & 1;
        }
        compress.block[i] <== key[i];
    }
    compress.block[8] <== balance[0];
    compress.block[9] <== balance[1];
    compress.block[10] <== nonce;
    for (var i = 11; i < 16; i++) {
        for (var j = 0; j < 32; j++) {
            compress.block[i][j] <== 0;
        }
    }
    out <== compress.out;
}

// The node above a hash and its sibling, which is on the left if `right` is 1.
template Node() {
    signal input right;
    signal input below[8][32];
    signal input sibling[8][32];
    signal output out[8][32];
    component compress = Compress();
    var start[8] = nodeState();
    for (var i = 0; i < 8; i++) {
        for (var j = 0; j < 32; j++) {
            compress.state[i][j] <== (start[i] >> j) & 1;
            compress.block[i][j] <== right * (sibling[i][j] - below[i][j]) + below[i][j];
            compress.block[8 + i][j] <== right * (below[i][j] - sibling[i][j]) + sibling[i][j];
        }
    }
    out <== compress.out;
}

// The root above a leaf at a place.
template Climb(depth) {
    signal input leaf[8][32];
    signal input place[depth];
    signal input siblings[depth][8][32];
    signal output out[8][32];
    component node[depth];
    for (var i = 0; i < depth; i++) {
        node[i] = Node();
        node[i].right <== place[i];
        node[i].sibling <== siblings[i];
        if (i == 0) {
            node[i].below <== leaf;
        } else {
            node[i].below <== node[i - 1].out;
        }
    }
    out <== node[depth - 1].out;
}
