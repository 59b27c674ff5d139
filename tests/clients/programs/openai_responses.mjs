// OpenAI's package for Node, Responses.

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { MODEL, SECOND, URL, add, perform } from "./tasks.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: "unused" });
const ask = (input, more = {}) => client.responses.create({ model: MODEL, input, ...more });

await perform({
  async question(text) {
    const reply = await ask(text);
    const thoughts = reply.output.filter((item) => item.type === "reasoning");
    const reasoning = thoughts.flatMap((item) => item.summary.map((part) => part.text)).join("");
    return { answer: reply.output_text, reasoning };
  },
  async stream(text) {
    let answer = "", reasoning = "", pieces = 0;
    for await (const event of await ask(text, { stream: true })) {
      if (event.type === "response.output_text.delta") {
        answer += event.delta;
        pieces += 1;
      } else if (event.type === "response.reasoning_summary_text.delta") reasoning += event.delta;
      else if (event.type === "response.failed") throw new Error(event.response.error.message);
    }
    return { answer, reasoning, pieces };
  },
  async second_turn(text) {
    const first = await ask(text);
    const second = await ask(SECOND, { previous_response_id: first.id });
    return { answer: second.output_text };
  },
  async tools(text) {
    const schema = z.toJSONSchema(z.object({ a: z.number(), b: z.number() }));
    const tools = [{ type: "function", name: "add", parameters: schema, strict: true }];
    const input = [{ role: "user", content: text }];
    for (;;) {
      const reply = await ask(input, { tools });
      input.push(...reply.output);
      const calls = reply.output.filter((item) => item.type === "function_call");
      if (!calls.length) return { answer: reply.output_text };
      for (const call of calls) {
        const output = String(add(JSON.parse(call.arguments)));
        input.push({ type: "function_call_output", call_id: call.call_id, output });
      }
    }
  },
  async structured(text) {
    const City = z.object({ name: z.string(), country: z.string() });
    const format = zodTextFormat(City, "city");
    const reply = await client.responses.parse({ model: MODEL, input: text, text: { format } });
    return { found: reply.output_parsed };
  },
});
