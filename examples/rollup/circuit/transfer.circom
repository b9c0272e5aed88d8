pragma circom 2.1.6;

include "bits.circom";
include "schnorr.circom";
include "tree.circom";

// One account's old and new root, with the same key and siblings.
template Update(depth) {
    signal input key[8][32];
    signal input place[depth];
    signal input siblings[depth][8];
    signal input balance[2][2][32];
    signal input nonce[2][32];
    signal output root[2][8][32];

    component sibling[depth];
    for (var i = 0; i < depth; i++) {
        sibling[i] = ToHash();
        sibling[i].in <== siblings[i];
    }
    component leaf[2];
    component climb[2];
    for (var k = 0; k < 2; k++) {
        leaf[k] = Leaf();
        leaf[k].key <== key;
        leaf[k].balance <== balance[k];
        leaf[k].nonce <== nonce[k];
        climb[k] = Climb(depth);
        climb[k].leaf <== leaf[k].out;
        climb[k].place <== place;
        for (var i = 0; i < depth; i++) {
            climb[k].siblings[i] <== sibling[i].out;
        }
        root[k] <== climb[k].out;
    }
}

// A record of a batch: a transfer, or padding, of which nothing is asked but that it be zeros, and which leaves the root as
// it is.
template Transfer(depth) {
    signal input padding;
    signal input root[8][32];
    // Chain and rollup.
    signal input context[7][32];

    signal input from;
    signal input to;
    signal input amount;
    signal input nonce;
    signal input r[8];
    signal input s[8];

    signal input eighth[2];
    signal input fromBalance;
    signal input fromSiblings[depth][8];
    signal input toKey[8];
    signal input toBalance;
    signal input toNonce;
    signal input toSiblings[depth][8];

    signal output record[21][32];
    signal output out[8][32];

    signal real <== 1 - padding;

    // Padding is zeros. A transfer is not, as its places differ, so a record is padding or not whatever the prover says.
    // `padding` is 0 or 1: if it is not 0, both places are 0, and then it is 1.
    padding * from === 0;
    padding * to === 0;
    padding * amount === 0;
    padding * nonce === 0;
    for (var i = 0; i < 8; i++) {
        padding * r[i] === 0;
        padding * s[i] === 0;
    }
    signal difference <-- padding ? 0 : 1 / (from - to);
    (from - to) * difference === real;

    // Within the tree.
    component fromPlace = ToBits(depth);
    fromPlace.in <== from;
    component toPlace = ToBits(depth);
    toPlace.in <== to;

    component amountWords = ToTwoWords();
    amountWords.in <== amount;
    component nonceBits = ToBits(32);
    nonceBits.in <== nonce;
    component rBits = ToHash();
    rBits.in <== r;
    component sBits = ToHash();
    sBits.in <== s;
    for (var j = 0; j < 32; j++) {
        if (j < depth) {
            record[0][j] <== fromPlace.out[j];
            record[1][j] <== toPlace.out[j];
        } else {
            record[0][j] <== 0;
            record[1][j] <== 0;
        }
    }
    record[2] <== amountWords.out[0];
    record[3] <== amountWords.out[1];
    record[4] <== nonceBits.out;
    for (var i = 0; i < 8; i++) {
        record[5 + i] <== rBits.out[i];
        record[13 + i] <== sBits.out[i];
    }

    component schnorr = Schnorr();
    schnorr.when <== real;
    schnorr.eighth <== eighth;
    schnorr.r <== rBits.out;
    schnorr.s <== sBits.out;
    for (var i = 0; i < 7; i++) {
        schnorr.words[i] <== context[i];
    }
    for (var i = 0; i < 5; i++) {
        schnorr.words[7 + i] <== record[i];
    }

    // The sender pays. Its account has the transfer's nonce, and the next one after it. That what is left has 64 bits is
    // that it is not negative.
    component fromBefore = ToTwoWords();
    fromBefore.in <== fromBalance;
    component fromAfter = ToTwoWords();
    fromAfter.in <== fromBalance - amount;
    component nextNonce = ToBits(32);
    nextNonce.in <== nonce + 1;
    component pay = Update(depth);
    pay.key <== schnorr.key;
    pay.place <== fromPlace.out;
    pay.siblings <== fromSiblings;
    pay.balance[0] <== fromBefore.out;
    pay.balance[1] <== fromAfter.out;
    pay.nonce[0] <== nonceBits.out;
    pay.nonce[1] <== nextNonce.out;
    component paid = SameIf();
    paid.when <== real;
    paid.a <== pay.root[0];
    paid.b <== root;

    // The receiver gets it.
    component toBefore = ToTwoWords();
    toBefore.in <== toBalance;
    component toAfter = ToTwoWords();
    toAfter.in <== toBalance + amount;
    component toNonceBits = ToBits(32);
    toNonceBits.in <== toNonce;
    component toKeyBits = ToHash();
    toKeyBits.in <== toKey;
    component receive = Update(depth);
    receive.key <== toKeyBits.out;
    receive.place <== toPlace.out;
    receive.siblings <== toSiblings;
    receive.balance[0] <== toBefore.out;
    receive.balance[1] <== toAfter.out;
    receive.nonce[0] <== toNonceBits.out;
    receive.nonce[1] <== toNonceBits.out;
    component received = SameIf();
    received.when <== real;
    received.a <== receive.root[0];
    received.b <== pay.root[1];

    for (var i = 0; i < 8; i++) {
        for (var j = 0; j < 32; j++) {
            out[i][j] <== real * (receive.root[1][i][j] - root[i][j]) + root[i][j];
        }
    }
}
