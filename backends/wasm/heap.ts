/**
 * An allocator over a growing range of addresses: segregated best fit with coalescing.
 *
 * It keeps its books outside the range, so a kernel that writes out of bounds never breaks them. Free
 * blocks stand in lists by size class (eight classes a power of two) with a bitmap over the lists, so that
 * allocating and freeing take constant time.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";

/** Every allocation starts at a multiple of this many bytes and takes a multiple of it: one cache line. */
export const heapAlignment = 64;

/** How many free blocks of one size class are compared before the next class is tried. */
const candidates = 32;
/** Sizes below this many units have a class each. */
const exactClasses = 16;
/** Number of classes: sizes stay below 2^26 units (4 GiB). */
const classCount = exactClasses + (27 - 4) * 8;
/** Marks the end of a list, or a neighbour that is not there. */
const none = -1;

/** What the heap stands on. */
export interface HeapRange {
  /** First address to give out. */
  readonly start: number;
  /** No address at or above this is ever given out. */
  readonly limit: number;
  /** Makes all addresses below `end` usable; false when it cannot. */
  grow(end: number): boolean;
}

/** Gives out ranges of addresses and takes them back. */
export class Heap {
  readonly #range: HeapRange;
  /** Blocks in address order, as parallel lists: address and size in units, neighbours, links of the free list. */
  readonly #address: number[] = [];
  readonly #size: number[] = [];
  readonly #before: number[] = [];
  readonly #after: number[] = [];
  readonly #previous: number[] = [];
  readonly #next: number[] = [];
  readonly #isFree: boolean[] = [];
  /** Numbers of blocks that were merged away. */
  readonly #spare: number[] = [];
  /** Block of each address that is given out. */
  readonly #allocated = new Map<number, number>();
  readonly #heads = new Int32Array(classCount).fill(none);
  readonly #occupied = new Int32Array(Math.ceil(classCount / 32));
  /** The block at the highest address, or none. */
  #last = none;
  /** End of the range in use, in units. */
  #end: number;
  #used = 0;
  #peak = 0;

  constructor(range: HeapRange) {
    this.#range = range;
    this.#end = Math.ceil(range.start / heapAlignment);
  }

  /** Bytes given out, rounded up to the alignment. */
  get used(): number {
    return this.#used * heapAlignment;
  }

  /** The most bytes that were given out at once. */
  get peak(): number {
    return this.#peak * heapAlignment;
  }

  /** Bytes of the range that the heap spans, free blocks included. */
  get span(): number {
    return this.#end * heapAlignment - this.#range.start;
  }

  /**
   * The address of `bytes` fresh bytes (at least one unit), aligned, with any content.
   *
   * @throws BackendError when the range is exhausted.
   */
  allocate(bytes: number): number {
    const size = Math.max(1, Math.ceil(bytes / heapAlignment));
    let block = this.#find(size);
    if (block === none) block = this.#extend(size, bytes);
    else this.#unlink(block);
    this.#split(block, size);
    this.#used += size;
    if (this.#used > this.#peak) this.#peak = this.#used;
    const address = this.#address[block];
    this.#allocated.set(address, block);
    return address * heapAlignment;
  }

  /**
   * Takes back what `allocate` gave.
   *
   * @throws BackendError when nothing is allocated at the address.
   */
  free(address: number): void {
    let block = this.#allocated.get(address / heapAlignment);
    if (block === undefined) {
      throw new BackendError(
        `heap: nothing is allocated at address ${address}; free each allocation once`,
      );
    }
    this.#allocated.delete(address / heapAlignment);
    this.#used -= this.#size[block];
    const after = this.#after[block];
    if (after !== none && this.#isFree[after]) {
      this.#unlink(after);
      this.#absorb(block, after);
    }
    const before = this.#before[block];
    if (before !== none && this.#isFree[before]) {
      this.#unlink(before);
      this.#absorb(before, block);
      block = before;
    }
    this.#link(block);
  }

  /** Bytes of an allocation, rounded up to the alignment; undefined when nothing is allocated there. */
  sizeOf(address: number): number | undefined {
    const block = this.#allocated.get(address / heapAlignment);
    return block === undefined ? undefined : this.#size[block] * heapAlignment;
  }

  /** The smallest of the free blocks looked at that fits, or none. */
  #find(size: number): number {
    const own = classOf(size);
    const found = this.#best(own, size);
    if (found !== none) return found;
    const larger = this.#nextOccupied(own + 1);
    return larger === none ? none : this.#best(larger, size);
  }

  /** The smallest block that fits among the first of a class, or none. */
  #best(sizeClass: number, size: number): number {
    let best = none;
    let block = this.#heads[sizeClass];
    for (let i = 0; i < candidates && block !== none; i++) {
      const found = this.#size[block];
      if (found === size) return block;
      if (found > size && (best === none || found < this.#size[best])) best = block;
      block = this.#next[block];
    }
    return best;
  }

  /** The first class from `from` on with a free block, or none. */
  #nextOccupied(from: number): number {
    let word = from >> 5;
    if (word >= this.#occupied.length) return none;
    let bits = this.#occupied[word] & (-1 << (from & 31));
    while (bits === 0) {
      if (++word === this.#occupied.length) return none;
      bits = this.#occupied[word];
    }
    return word * 32 + 31 - Math.clz32(bits & -bits);
  }

  /** A block of at least `size` units at the end of the range, taken out of the lists. */
  #extend(size: number, bytes: number): number {
    const last = this.#last;
    const joins = last !== none && this.#isFree[last];
    const missing = size - (joins ? this.#size[last] : 0);
    const end = this.#end + missing;
    const limit = Math.floor(this.#range.limit / heapAlignment);
    if (end > limit || !this.#range.grow(end * heapAlignment)) {
      throw new BackendError(
        `out of memory: ${bytes} bytes wanted; ${this.used} of at most ${
          this.#range.limit - this.#range.start
        } bytes are in use, and the largest free block has ${
          this.#largest() * heapAlignment
        } bytes; dispose of tensors that are no longer needed (of dropped ones memory comes back only where the program awaits), or work in smaller tiles`,
      );
    }
    if (joins) {
      this.#unlink(last);
      this.#size[last] += missing;
      this.#end = end;
      return last;
    }
    const block = this.#create(this.#end, missing, last, none);
    this.#end = end;
    return block;
  }

  /** Units of the largest free block, counting what the range can still grow by. */
  #largest(): number {
    let largest = 0;
    for (const head of this.#heads) {
      for (let block = head; block !== none; block = this.#next[block]) {
        largest = Math.max(largest, this.#size[block]);
      }
    }
    return largest;
  }

  /** Cuts a block to `size` units and puts the rest into the lists. */
  #split(block: number, size: number): void {
    const rest = this.#size[block] - size;
    if (rest === 0) return;
    this.#size[block] = size;
    this.#link(this.#create(this.#address[block] + size, rest, block, this.#after[block]));
  }

  /** A new block between two neighbours. */
  #create(address: number, size: number, before: number, after: number): number {
    const block = this.#spare.pop() ?? this.#address.length;
    this.#address[block] = address;
    this.#size[block] = size;
    this.#before[block] = before;
    this.#after[block] = after;
    this.#isFree[block] = false;
    this.#previous[block] = none;
    this.#next[block] = none;
    if (before !== none) this.#after[before] = block;
    if (after !== none) this.#before[after] = block;
    else this.#last = block;
    return block;
  }

  /** Joins a block with the one after it, whose number becomes spare. */
  #absorb(block: number, gone: number): void {
    this.#size[block] += this.#size[gone];
    const after = this.#after[gone];
    this.#after[block] = after;
    if (after !== none) this.#before[after] = block;
    else this.#last = block;
    this.#spare.push(gone);
  }

  /** Puts a block at the head of its class. */
  #link(block: number): void {
    const sizeClass = classOf(this.#size[block]);
    const head = this.#heads[sizeClass];
    this.#isFree[block] = true;
    this.#previous[block] = none;
    this.#next[block] = head;
    if (head !== none) this.#previous[head] = block;
    this.#heads[sizeClass] = block;
    this.#occupied[sizeClass >> 5] |= 1 << (sizeClass & 31);
  }

  /** Takes a block out of its class. */
  #unlink(block: number): void {
    const previous = this.#previous[block];
    const next = this.#next[block];
    this.#isFree[block] = false;
    if (next !== none) this.#previous[next] = previous;
    if (previous !== none) {
      this.#next[previous] = next;
      return;
    }
    const sizeClass = classOf(this.#size[block]);
    this.#heads[sizeClass] = next;
    if (next === none) this.#occupied[sizeClass >> 5] &= ~(1 << (sizeClass & 31));
  }
}

/** The class of a size in units: one each below 16, then eight for each power of two. */
function classOf(size: number): number {
  if (size < exactClasses) return size;
  const exponent = 31 - Math.clz32(size);
  return exactClasses + (exponent - 4) * 8 + ((size >> (exponent - 3)) & 7);
}
