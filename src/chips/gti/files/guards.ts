/**
 * Checks of parsed JSON against a type: small predicates, and records made of them. A record's guard must name
 * every key of its type, so that a new attribute is a compile error here.
 */

export type Guard<T> = (value: unknown) => value is T;

/** An object with these keys and no others; a key may miss where its guard takes undefined. */
export function recordOf<T>(fields: { readonly [K in keyof T]-?: Guard<T[K]> }): Guard<T> {
  const guards = Object.entries(fields) as [string, Guard<unknown>][];
  const keys = new Set(guards.map(([key]) => key));
  return (value): value is T => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    if (!Object.keys(value).every((key) => keys.has(key))) return false;
    return guards.every(([key, guard]) =>
      guard(Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined),
    );
  };
}

export function optional<T>(guard: Guard<T>): Guard<T | undefined> {
  return (value): value is T | undefined => value === undefined || guard(value);
}

export function either<A, B>(a: Guard<A>, b: Guard<B>): Guard<A | B> {
  return (value): value is A | B => a(value) || b(value);
}

export function oneOf<const T extends readonly unknown[]>(...values: T): Guard<T[number]> {
  return (value): value is T[number] => values.includes(value);
}

/** A list of at most `longest`. */
export function listOf<T>(guard: Guard<T>, longest: number): Guard<readonly T[]> {
  return (value): value is readonly T[] =>
    Array.isArray(value) && value.length <= longest && value.every(guard);
}

export function pairOf<T>(guard: Guard<T>): Guard<readonly [T, T]> {
  return (value): value is readonly [T, T] =>
    Array.isArray(value) && value.length === 2 && value.every(guard);
}

export function fourOf<T>(guard: Guard<T>): Guard<readonly [T, T, T, T]> {
  return (value): value is readonly [T, T, T, T] =>
    Array.isArray(value) && value.length === 4 && value.every(guard);
}

const int32Max = 2 ** 31 - 1;

export const isString: Guard<string> = (value): value is string => typeof value === "string";
export const isBoolean: Guard<boolean> = (value): value is boolean => typeof value === "boolean";
export const isNumber: Guard<number> = (value): value is number =>
  typeof value === "number" && Number.isFinite(value);
/** -2^31..2^31 - 1. */
export const isInteger: Guard<number> = (value): value is number =>
  Number.isInteger(value) && Number(value) >= -int32Max - 1 && Number(value) <= int32Max;
/** 0..2^31 - 1. */
export const isCount: Guard<number> = (value): value is number => isInteger(value) && value >= 0;
/** 1..2^31 - 1. */
export const isPositive: Guard<number> = (value): value is number => isInteger(value) && value >= 1;
