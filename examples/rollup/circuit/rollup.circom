pragma circom 2.1.6;

include "bits.circom";
include "sha256.circom";
include "transfer.circom";

// A batch of a small rollup: these records lead from one root to another. Public are the high and the low 128 bits of the
// SHA-256 of the journal, which says so: chain id, rollup, batch, root before, root after, SHA-256 of the records.
//
// What `../core` computes, written anew from the documents: FIPS 180-4, EIP-2494 and the layouts in `../core/src/types.rs`.
// Hashes come in as words of 32 bits.
template Rollup(depth, transfers) {
    signal input chainId;
    signal input rollup;
    signal input batch;
    signal input root[8];

    signal input padding[transfers];
    signal input from[transfers];
    signal input to[transfers];
    signal input amount[transfers];
    signal input nonce[transfers];
    signal input r[transfers][8];
    signal input s[transfers][8];

    signal input eighth[transfers][2];
    signal input fromBalance[transfers];
    signal input fromSiblings[transfers][depth][8];
    signal input toKey[transfers][8];
    signal input toBalance[transfers];
    signal input toNonce[transfers];
    signal input toSiblings[transfers][depth][8];

    signal output high;
    signal output low;

    component chainWords = ToTwoWords();
    chainWords.in <== chainId;
    component rollupBits = ToBits(160);
    rollupBits.in <== rollup;
    component batchBits = ToBits(32);
    batchBits.in <== batch;
    component rootBits = ToHash();
    rootBits.in <== root;

    signal context[8][32];
    context[0] <== chainWords.out[0];
    context[1] <== chainWords.out[1];
    for (var i = 0; i < 5; i++) {
        for (var j = 0; j < 32; j++) {
            context[2 + i][j] <== rollupBits.out[32 * (4 - i) + j];
        }
    }
    context[7] <== batchBits.out;

    // Padding only ends a batch, and there is something before it.
    padding[0] === 0;
    for (var t = 1; t < transfers; t++) {
        padding[t - 1] * (1 - padding[t]) === 0;
    }

    component transfer[transfers];
    component records = Sha256(21 * transfers);
    for (var t = 0; t < transfers; t++) {
        transfer[t] = Transfer(depth);
        transfer[t].padding <== padding[t];
        if (t == 0) {
            transfer[t].root <== rootBits.out;
        } else {
            transfer[t].root <== transfer[t - 1].out;
        }
        for (var i = 0; i < 7; i++) {
            transfer[t].context[i] <== context[i];
        }
        transfer[t].from <== from[t];
        transfer[t].to <== to[t];
        transfer[t].amount <== amount[t];
        transfer[t].nonce <== nonce[t];
        transfer[t].r <== r[t];
        transfer[t].s <== s[t];
        transfer[t].eighth <== eighth[t];
        transfer[t].fromBalance <== fromBalance[t];
        transfer[t].fromSiblings <== fromSiblings[t];
        transfer[t].toKey <== toKey[t];
        transfer[t].toBalance <== toBalance[t];
        transfer[t].toNonce <== toNonce[t];
        transfer[t].toSiblings <== toSiblings[t];
        for (var i = 0; i < 21; i++) {
            records.in[21 * t + i] <== transfer[t].record[i];
        }
    }

    component journal = Sha256(32);
    for (var i = 0; i < 8; i++) {
        journal.in[i] <== context[i];
        journal.in[8 + i] <== rootBits.out[i];
        journal.in[16 + i] <== transfer[transfers - 1].out[i];
        journal.in[24 + i] <== records.out[i];
    }
    var upper = 0;
    var lower = 0;
    for (var i = 0; i < 128; i++) {
        upper += journal.out[3 - i \ 32][i % 32] * (1 << i);
        lower += journal.out[7 - i \ 32][i % 32] * (1 << i);
    }
    high <== upper;
    low <== lower;
}
