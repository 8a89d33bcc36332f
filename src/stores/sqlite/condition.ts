/** A WHERE clause, empty where nothing narrows, and the values for its question marks. */
export interface Condition {
  readonly where: string;
  readonly values: (string | number)[];
}

/** All of them that have a value must hold. */
export function conditionOf(
  narrowings: readonly (readonly [condition: string, value: string | number | undefined])[],
): Condition {
  const given = narrowings.flatMap(([condition, value]) =>
    value === undefined ? [] : [{ condition, value }],
  );
  return {
    where:
      given.length === 0 ? "" : `WHERE ${given.map(({ condition }) => condition).join(" AND ")}`,
    values: given.map(({ value }) => value),
  };
}
