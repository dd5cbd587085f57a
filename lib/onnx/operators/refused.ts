/**
 * Operators that have no place in a function of weights and inputs, and why.
 *
 * @module
 */

const random =
  "it draws random numbers, so that the network is no function of its weights and inputs; " +
  "export it for evaluation";
const strings = "it computes with strings";
const sizes = "the size of its result depends on values";

/** Reasons by the names of operators of ONNX's own domain. */
const reasons: Readonly<Record<string, string>> = {
  Bernoulli: random,
  Multinomial: random,
  RandomNormal: random,
  RandomNormalLike: random,
  RandomUniform: random,
  RandomUniformLike: random,
  RegexFullMatch: strings,
  StringConcat: strings,
  StringNormalizer: strings,
  StringSplit: strings,
  TfIdfVectorizer: strings,
  ImageDecoder: "it decodes image files; decode them first",
  NonMaxSuppression: `${sizes}; take an output before it`,
};

/** Why an operator is not computed, where there is more to say than that it is unknown. */
export function whyRefused(domain: string, name: string): string | null {
  return domain === "" && Object.hasOwn(reasons, name) ? reasons[name] : null;
}
