/** The layout of the pointers that a matrix product's code is given. */

/** Where each pointer stands in a product's descriptor, as an index of int32 entries. */
export const gemmDescriptor = {
  a: 0,
  b: 1,
  c: 2,
  aBatch: 3,
  aRows: 4,
  aColumns: 5,
  bBatch: 6,
  bRows: 7,
  bColumns: 8,
  cBatch: 9,
  cRows: 10,
  cColumns: 11,
  workspace: 12,
} as const;

/** int32 entries of a descriptor. */
export const gemmDescriptorLength = 13;

/** Pointers into the descriptor after A and B may have been swapped. */
export interface Roles {
  readonly a: number;
  readonly aBatch: number;
  readonly aRows: number;
  readonly aDepth: number;
  readonly b: number;
  readonly bBatch: number;
  readonly bDepth: number;
  readonly bColumns: number;
  readonly cRows: number;
  readonly cColumns: number;
}

/** The pointers of the two sides, exchanged when the plan says so. */
export function rolesOf(swap: boolean): Roles {
  const d = gemmDescriptor;
  return swap
    ? {
      a: d.b,
      aBatch: d.bBatch,
      aRows: d.bColumns,
      aDepth: d.bRows,
      b: d.a,
      bBatch: d.aBatch,
      bDepth: d.aColumns,
      bColumns: d.aRows,
      cRows: d.cColumns,
      cColumns: d.cRows,
    }
    : {
      a: d.a,
      aBatch: d.aBatch,
      aRows: d.aRows,
      aDepth: d.aColumns,
      b: d.b,
      bBatch: d.bBatch,
      bDepth: d.bRows,
      bColumns: d.bColumns,
      cRows: d.cRows,
      cColumns: d.cColumns,
    };
}
