#!/usr/bin/env python3
"""Trains the digit classifier and writes the files that the Rust crate `digit-core` commits.

`train.py [--check]` writes `../core/model.bin` and `../core/held_out.bin`, or checks that they are what it would write.

The data are scikit-learn's bundled handwritten digits: 1,797 images of 8 x 8 pixels, each 0 to 16. A fifth is held out.

All arithmetic is on integers. Floating-point sums depend on the order in which a machine's vector unit takes them, so
weights trained in floating point differ between processors. Integers do not, so everybody gets the same file.

The network: 64 inputs, one hidden layer with ReLU, 10 outputs, the largest output names the class (the lowest of equals).
Weights are signed bytes in the file, so what is trained is what is committed, proven and measured.

Formats (all integers little-endian):
  model.bin     hidden weights i8[HIDDEN][64], hidden biases i32[HIDDEN], output weights i8[10][HIDDEN],
                output biases i32[10]
  held_out.bin  count u32, then for each image 64 pixels (one byte each) and its label (one byte)
"""

import argparse
import hashlib
import pathlib
import sys

import numpy as np
from sklearn.datasets import load_digits

CORE = pathlib.Path(__file__).resolve().parent.parent / "core"
PIXELS, HIDDEN, CLASSES = 64, 96, 10
HELD_OUT_PART = 5
LEAST_ACCURACY_PERCENT = 96

# Fixed point of training: weights have ONE_BITS bits after the point, hidden values HIDDEN_BITS. Weights are quantised to
# bytes with WEIGHT_BITS bits after the point.
ONE_BITS, HIDDEN_BITS = 24, 8
ONE = 1 << ONE_BITS
WEIGHT_BITS = 5
EPOCHS = 50
BATCH = 32
# By how much the right class must lead (in units of an output: pixel steps times weights).
MARGIN = 64 << (ONE_BITS + HIDDEN_BITS)
# A step is a batch's gradient shifted right by this; it grows as training goes on, so that steps get smaller.
STEP_SHIFTS = (14, 15, 16, 17)
MOMENTUM_BITS = 3


def digest(*words: int) -> bytes:
    return hashlib.sha256(b"".join(w.to_bytes(4, "big") for w in words)).digest()


def order(seed: int, count: int) -> list[int]:
    """The numbers below `count` in an order that depends on nothing but the seed."""
    return sorted(range(count), key=lambda i: digest(seed, i))


def initial(seed: int, rows: int, columns: int, spread: int) -> np.ndarray:
    """Weights spread evenly between -spread and spread (fixed point)."""
    values = [int.from_bytes(digest(seed, r, c)[:8], "big") % (2 * spread + 1) - spread
              for r in range(rows) for c in range(columns)]
    return np.array(values, dtype=np.int64).reshape(rows, columns)


def shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Images moved by whole pixels; what comes in is empty."""
    square = images.reshape(-1, 8, 8)
    moved = np.zeros_like(square)
    moved[:, max(down, 0):8 + min(down, 0), max(right, 0):8 + min(right, 0)] = \
        square[:, max(-down, 0):8 + min(-down, 0), max(-right, 0):8 + min(-right, 0)]
    return moved.reshape(-1, PIXELS)


def train(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Stochastic descent of the hinge loss, in integers: every wrong lead over (right class - MARGIN) pulls by one."""
    images = np.concatenate([shifted(images, d, r) for d, r in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))])
    labels = np.tile(labels, 5)
    w1, b1 = initial(1, HIDDEN, PIXELS, ONE // 4), np.zeros(HIDDEN, np.int64)
    w2, b2 = initial(2, CLASSES, HIDDEN, ONE // 4), np.zeros(CLASSES, np.int64)
    speed = [np.zeros_like(p) for p in (w1, b1, w2, b2)]
    for epoch in range(EPOCHS):
        step = STEP_SHIFTS[epoch * len(STEP_SHIFTS) // EPOCHS]
        sequence = np.array(order(100 + epoch, len(images)))
        for start in range(0, len(sequence), BATCH):
            batch = sequence[start:start + BATCH]
            x, y = images[batch], labels[batch]
            hidden = np.maximum(x @ w1.T + b1, 0) >> (ONE_BITS - HIDDEN_BITS)
            output = hidden @ w2.T + (b2 << HIDDEN_BITS)
            right = np.take_along_axis(output, y[:, None], 1)
            pull = (output > right - MARGIN).astype(np.int64)
            np.put_along_axis(pull, y[:, None], 0, 1)
            np.put_along_axis(pull, y[:, None], -pull.sum(1, keepdims=True), 1)
            back = np.where(hidden > 0, pull @ w2, 0)
            gradients = (back.T @ x, back.sum(0), (pull.T @ hidden) << (ONE_BITS - HIDDEN_BITS), pull.sum(0) << ONE_BITS)
            for value, moving, gradient in zip((w1, b1, w2, b2), speed, gradients):
                moving -= (moving >> MOMENTUM_BITS) + (gradient >> step)
                value += moving
    return w1, b1, w2, b2


def quantised(w1, b1, w2, b2) -> tuple[np.ndarray, ...]:
    """Rounded to WEIGHT_BITS bits after the point; an output's scale is that of both layers."""
    def rounded(values: np.ndarray, bits: int) -> np.ndarray:
        drop = ONE_BITS - bits
        return (values + (1 << (drop - 1))) >> drop

    def byte(values: np.ndarray) -> np.ndarray:
        return np.clip(rounded(values, WEIGHT_BITS), -128, 127)

    return byte(w1), rounded(b1, WEIGHT_BITS), byte(w2), rounded(b2, 2 * WEIGHT_BITS)


def classify(model: tuple[np.ndarray, ...], images: np.ndarray) -> np.ndarray:
    """What `digit-core` computes."""
    w1, b1, w2, b2 = model
    hidden = np.maximum(images @ w1.T + b1, 0)
    return np.argmax(hidden @ w2.T + b2, axis=1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Trains the digit classifier.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the committed files differ")
    check = parser.parse_args().check

    digits = load_digits()
    images, labels = digits.data.astype(np.int64), digits.target.astype(np.int64)
    sequence = order(0, len(images))
    held_out, trained = sequence[:len(images) // HELD_OUT_PART], sequence[len(images) // HELD_OUT_PART:]

    model = quantised(*train(images[trained], labels[trained]))
    right = int((classify(model, images[held_out]) == labels[held_out]).sum())
    print(f"right on {right} of {len(held_out)} held-out digits ({100 * right / len(held_out):.1f} %)")
    if 100 * right < LEAST_ACCURACY_PERCENT * len(held_out):
        print(f"error: that is less than {LEAST_ACCURACY_PERCENT} %", file=sys.stderr)
        return 1

    w1, b1, w2, b2 = model
    records = np.concatenate([images[held_out], labels[held_out, None]], axis=1)
    files = {
        "model.bin": w1.astype("<i1").tobytes() + b1.astype("<i4").tobytes()
        + w2.astype("<i1").tobytes() + b2.astype("<i4").tobytes(),
        "held_out.bin": len(held_out).to_bytes(4, "little") + records.astype("<u1").tobytes(),
    }
    for name, content in files.items():
        if not check:
            (CORE / name).write_bytes(content)
        elif (CORE / name).read_bytes() != content:
            print(f"error: {name} is not what this script writes: run it without --check", file=sys.stderr)
            return 1
        print(f"{name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
