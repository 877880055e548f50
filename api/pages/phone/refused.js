/** What a check raises when something does not hold. Its message is for people who read English; it holds no secret. */
export class Refused extends Error {}
