// The tasks by the Vercel AI SDK, with a model of any provider.

import { Output, generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { SECOND, add, perform } from "./tasks.mjs";

export const performWith = (model) =>
  perform({
    async question(prompt) {
      const result = await generateText({ model, prompt });
      return { answer: result.text, reasoning: result.reasoningText ?? "" };
    },
    async stream(prompt) {
      let answer = "", reasoning = "", pieces = 0;
      const result = streamText({ model, prompt, onError: () => {} });
      for await (const part of result.stream) {
        if (part.type === "text-delta") {
          answer += part.text;
          pieces += 1;
        } else if (part.type === "reasoning-delta") reasoning += part.text;
        else if (part.type === "error") throw part.error;
      }
      return { answer, reasoning, pieces };
    },
    async second_turn(text) {
      const messages = [{ role: "user", content: text }];
      const first = await generateText({ model, messages });
      messages.push(...first.response.messages, { role: "user", content: SECOND });
      return { answer: (await generateText({ model, messages })).text };
    },
    async tools(prompt) {
      const inputSchema = z.object({ a: z.number(), b: z.number() });
      const adding = tool({ description: "Add two numbers.", inputSchema, execute: add });
      const stopWhen = isStepCount(9);
      return { answer: (await generateText({ model, prompt, tools: { add: adding }, stopWhen })).text };
    },
    async structured(prompt) {
      const schema = z.object({ name: z.string(), country: z.string() });
      const result = await generateText({ model, prompt, output: Output.object({ schema }) });
      return { found: result.output };
    },
  });
