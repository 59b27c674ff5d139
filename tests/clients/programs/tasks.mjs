// Does what a test asks: a line in names a task and its question, a line out says what came.

import { createInterface } from "node:readline";

export const URL = process.argv[2];
export const MODEL = "deepreasoning";
export const SECOND = "And times 2?";

export const add = ({ a, b }) => a + b;

export async function perform(tasks) {
  const reply = (came) => process.stdout.write(JSON.stringify(came) + "\n");
  console.log = console.error; // libraries print, too
  reply(Object.keys(tasks).sort());
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, question] = JSON.parse(line);
    try {
      reply(await tasks[name](question));
    } catch (error) {
      reply({ error: error.name ?? "Error", message: String(error.message ?? error) });
    }
  }
}
