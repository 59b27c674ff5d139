// OpenAI's package for Node, Chat Completions.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { MODEL, SECOND, URL, add, perform } from "./tasks.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: "unused" });
const ask = (messages, more = {}) =>
  client.chat.completions.create({ model: MODEL, messages, ...more });

await perform({
  async question(text) {
    const { message } = (await ask([{ role: "user", content: text }])).choices[0];
    return { answer: message.content, reasoning: message.reasoning_content };
  },
  async stream(text) {
    let answer = "", reasoning = "", pieces = 0;
    for await (const chunk of await ask([{ role: "user", content: text }], { stream: true })) {
      const { delta } = chunk.choices[0];
      answer += delta.content ?? "";
      reasoning += delta.reasoning_content ?? "";
      pieces += delta.content ? 1 : 0;
    }
    return { answer, reasoning, pieces };
  },
  async second_turn(text) {
    const messages = [{ role: "user", content: text }];
    messages.push((await ask(messages)).choices[0].message, { role: "user", content: SECOND });
    return { answer: (await ask(messages)).choices[0].message.content };
  },
  async tools(text) {
    const parameters = z.toJSONSchema(z.object({ a: z.number(), b: z.number() }));
    const runner = client.chat.completions.runTools({
      model: MODEL,
      messages: [{ role: "user", content: text }],
      tools: [
        {
          type: "function",
          function: {
            name: "add",
            description: "Add two numbers.",
            parameters,
            parse: JSON.parse,
            function: (numbers) => String(add(numbers)),
          },
        },
      ],
    });
    return { answer: await runner.finalContent() };
  },
  async structured(text) {
    const City = z.object({ name: z.string(), country: z.string() });
    const reply = await client.chat.completions.parse({
      model: MODEL,
      messages: [{ role: "user", content: text }],
      response_format: zodResponseFormat(City, "city"),
    });
    return { found: reply.choices[0].message.parsed };
  },
});
