/** x @module */
export const z: number = 3;
