/**
 * Chains of convolutions with the loops around them: image by image, a thread does what comes before a convolution, the
 * convolution, and what comes after. What one leaves is in the caches for the next, and what nobody else needs is
 * kept for one image at a time, in memory of the thread, so that it never leaves them.
 *
 * @module
 */
import {
  type ContractKernel,
  type Kernel,
  type LoweredProgram,
  storageBytes,
} from "../../lib/compiler/kernel.ts";
import { planArena, viewsOf } from "../../lib/compiler/plan.ts";
import { type Access, accessesOf, accessOf, bytesOf, independent } from "./chain.ts";
import { type ImageConvolution, imageConvolution } from "./contract.ts";
import { kernelCost } from "./cost.ts";
import { alignToLine } from "./gemm_numeric.ts";
import { overRows, type RowsKernel } from "./loop.ts";
import { Remembered } from "./remembered.ts";

/** A kernel of a chain: a loop over the images, or a convolution. */
export type ImageKernel = RowsKernel | ImageConvolution;

/** A buffer of which each thread keeps one image. */
export interface KeptBuffer {
  readonly buffer: number;
  /** Where an image's first byte is: in the thread's memory, and in the buffer for image 0 and each one after it. */
  readonly place: number;
  readonly begin: number;
  readonly step: number;
}

/** Kernels that run image by image. */
export interface ConvolutionChain {
  /** The first one. */
  readonly start: number;
  readonly members: readonly ImageKernel[];
  readonly images: number;
  readonly kept: readonly KeptBuffer[];
  readonly keptBytes: number;
  /** Estimated nanoseconds. */
  readonly work: number;
}

/** Images for each thread, so that all end at about the same time. */
const imagesPerThread = 8;
/** Estimated nanoseconds of an image's work that are worth the calls. */
const smallestImage = 2000;
/** Bytes that an image may go through: most of a second-level cache. */
const largestImage = 3 << 18;

/** The arena's size over what it would be without chains. */
const mostGrowth = 1.2;

/** Whether a kernel of a chain is a convolution. */
export function isConvolution(member: ImageKernel): member is ImageConvolution {
  return "tasksPerImage" in member;
}

/** All chains with convolutions. */
export function findConvolutionChains(
  lowered: LoweredProgram,
  relaxed: boolean,
  threads: number,
): ConvolutionChain[] {
  const chains: ConvolutionChain[] = [];
  for (let index = 0; index < lowered.kernels.length; index++) {
    const chain = findConvolutionChain(lowered, index, relaxed, threads);
    if (chain === null) continue;
    chains.push(chain);
    index += chain.members.length - 1;
  }
  return chains;
}

/**
 * The program with temporaries placed so that none of a chain shares memory with another of the same chain, as far as that
 * takes little more memory: kernels that run image by image run at the same time.
 */
export function makeRoom(
  lowered: LoweredProgram,
  relaxed: boolean,
  threads: number,
): LoweredProgram {
  let end = 0;
  const apart = lowered.buffers.map(({ dtype, length }, i) => {
    if (lowered.arenaOffsets[i] === null) return null;
    const offset = end;
    end += alignToLine(length * storageBytes(dtype));
    return offset;
  });
  const chains = findConvolutionChains({ ...lowered, arenaOffsets: apart }, relaxed, threads);
  if (chains.length === 0) return lowered;
  const joint = chains.map(({ start, members, kept }) => ({
    start,
    count: members.length,
    kept: kept.map(({ buffer }) => buffer),
  }));
  const planned = planArena(lowered, joint);
  if (planned.arenaBytes > mostGrowth * lowered.arenaBytes) return lowered;
  // Where temporaries lie has a part in how long chains are. What has no place of its own must be kept by those found now.
  const kept = keptBy(findConvolutionChains(planned, relaxed, threads));
  return [...keptBy(chains)].every((buffer) => kept.has(buffer)) ? planned : lowered;
}

/** The buffers that chains keep. */
function keptBy(chains: readonly ConvolutionChain[]): Set<number> {
  return new Set(chains.flatMap(({ kept }) => kept.map(({ buffer }) => buffer)));
}

/** The longest chain with a convolution that starts with a kernel, or null where there is none of at least two. */
function findConvolutionChain(
  lowered: LoweredProgram,
  start: number,
  relaxed: boolean,
  threads: number,
): ConvolutionChain | null {
  const { kernels } = lowered;
  let first = start;
  while (kernels[first]?.kind === "loop") first++;
  if (kernels[first]?.kind !== "contract") return null;
  const images = convolutionOf(kernels[first], relaxed)?.images ?? 0;
  if (images < imagesPerThread * threads) return null;
  const members: ImageKernel[] = [];
  const accesses: Access[][] = [];
  for (let i = start; i < kernels.length; i++) {
    const kernel = kernels[i];
    const member = kernel.kind === "loop"
      ? overRows(kernel, images)
      : convolutionOf(kernel, relaxed);
    if (member === null || isConvolution(member) && member.images !== images) break;
    members.push(member);
    accesses.push(accessesOfMember(lowered, member));
  }
  // Which buffers can be kept depends on where the chain ends, and where it may end on what shares memory with another.
  for (let count = members.length; count > 1;) {
    const own = accesses.slice(0, count);
    const kept = keptBuffers(lowered, start, own);
    const isKept = (access: Access) => kept.some(({ buffer }) => buffer === access.buffer);
    const end = firstConflict(own.map((list) => list.filter((a) => !isKept(a))), images);
    if (end < count) {
      count = end;
      continue;
    }
    const chain = members.slice(0, count);
    const convolutions = chain.filter(isConvolution).length;
    const work = kernels.slice(start, start + count).reduce((sum, k) => sum + kernelCost(k), 0);
    if (convolutions === 0 || work < smallestImage * images) return null;
    if (bytesOf(own.flat()) > largestImage) {
      count--;
      continue;
    }
    const keptBytes = kept.reduce((end, { place, bytes }) => Math.max(end, place + bytes), 0);
    return { start, members: chain, images, kept, keptBytes, work };
  }
  return null;
}

/** What is known of contractions: a program is gone through twice, and most kernels several times. */
const known = new Remembered<ContractKernel, ImageConvolution | null>();

/** A kernel as a convolution. */
function convolutionOf(kernel: Kernel, relaxed: boolean): ImageConvolution | null {
  if (kernel.kind !== "contract") return null;
  return known.of(kernel, relaxed ? 1 : 0, () => imageConvolution(kernel, relaxed));
}

/** What a kernel reads and writes, over images. */
function accessesOfMember(lowered: LoweredProgram, member: ImageKernel): Access[] {
  if (!isConvolution(member)) return accessesOf(lowered, member);
  const { m, n, k, a, b, out } = member.kernel;
  const imageDims = n.length - 2;
  const size = n.slice(0, imageDims);
  const rest = n.slice(imageDims);
  /** The strides with those of the images first. */
  const turned = (strides: readonly number[], before: number) => [
    ...strides.slice(before, before + imageDims),
    ...strides.slice(0, before),
    ...strides.slice(before + imageDims),
  ];
  return [
    accessOf(
      lowered,
      { ...out, strides: turned(out.strides, m.length) },
      [...size, ...m, ...rest],
      imageDims,
      true,
    ),
    accessOf(lowered, { ...a, strides: [0, ...a.strides] }, [1, ...m, ...k], 1, false),
    accessOf(
      lowered,
      { ...b, strides: turned(b.strides, k.length) },
      [...size, ...k, ...rest],
      imageDims,
      false,
    ),
  ];
}

/** The first kernel of which some image needs what another one's image does, or how many there are. */
function firstConflict(accesses: readonly (readonly Access[])[], images: number): number {
  const before: Access[] = [];
  for (const [i, own] of accesses.entries()) {
    if (own.some((a) => before.some((b) => !independent(a, b, images)))) return i;
    before.push(...own);
  }
  return accesses.length;
}

/** The temporaries that only these kernels touch, each image's part by itself, with places one behind the other. */
function keptBuffers(
  { kernels, arenaOffsets }: LoweredProgram,
  start: number,
  accesses: readonly (readonly Access[])[],
): (KeptBuffer & { bytes: number })[] {
  const others = new Set<number>();
  kernels.forEach((kernel, i) => {
    if (i >= start && i < start + accesses.length) return;
    const { reads, write } = viewsOf(kernel);
    for (const { buffer } of [write, ...reads]) others.add(buffer);
  });
  const all = accesses.flat();
  const kept: (KeptBuffer & { bytes: number })[] = [];
  let place = 0;
  for (const buffer of new Set(all.map((access) => access.buffer))) {
    const arena = arenaOffsets[buffer];
    if (arena === null || others.has(buffer)) continue;
    const own = all.filter((access) => access.buffer === buffer);
    const { step } = own[0];
    const [begin, end] = [
      Math.min(...own.map((access) => access.begin)),
      Math.max(...own.map((access) => access.end)),
    ];
    if (step <= 0 || own.some((access) => access.step !== step) || end - begin > step) continue;
    kept.push({ buffer, place, begin: begin - arena, step, bytes: end - begin });
    place += alignToLine(end - begin);
  }
  return kept;
}
