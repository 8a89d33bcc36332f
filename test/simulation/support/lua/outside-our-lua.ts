/** A program that uses more of Lua than our scripts may. */
export class OutsideOurLua extends Error {
  override readonly name = "OutsideOurLua";

  constructor(construct: string, line: number) {
    super(`line ${line}: ${construct} is outside the Lua that our scripts are written in`);
  }
}
