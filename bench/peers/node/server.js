'use strict';
/*
 * The kind of service that peal replaces: Server-Sent Events by Fastify.
 *
 * One process holds, for each channel, the raw responses of those who listen, and what was
 * published in the last 20 minutes, 1,000 events at most.  It is as one writes it by hand:
 * each event is made into text once, and written to each response by itself.
 *
 *   GET  /events?channel=NAME     a stream; Last-Event-ID brings what came after it
 *   POST /publish                 {"channel": "NAME", "topic": "NAME", "data": ANY}
 *   POST /publish?channel=NAME    text/plain: the body is the data
 *
 * PORT is the port on loopback.
 */
const fastify = require('fastify')({ logger: false, bodyLimit: 1 << 20 });

const MAX_AGE_MS = 20 * 60 * 1000;
const MAX_EVENTS = 1000;
const RETRY_MS = 3000;
const HEARTBEAT_MS = 15 * 1000;

/* NAME -> { responses: a Set, history: of { ms, count, text }, the oldest first } */
const channels = new Map();
let lastMs = 0;
let lastCount = 0;

function channelOf(name) {
  let channel = channels.get(name);
  if (channel === undefined) {
    channel = { responses: new Set(), history: [] };
    channels.set(name, channel);
  }
  return channel;
}

/* Ids rise, whatever the clock does: milliseconds, and a counter within one. */
function nextId() {
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    lastCount = 0;
  } else {
    lastCount += 1;
  }
  return { ms: lastMs, count: lastCount };
}

function forgetOld(history) {
  const oldest = Date.now() - MAX_AGE_MS;
  while (history.length > MAX_EVENTS || (history.length > 0 && history[0].ms < oldest)) {
    history.shift();
  }
}

function publish(name, topic, data) {
  const channel = channelOf(name);
  const { ms, count } = nextId();
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join('');
  const text = `id: ${ms}-${count}\n${topic ? `event: ${topic}\n` : ''}${lines}\n`;
  channel.history.push({ ms, count, text });
  forgetOld(channel.history);
  for (const response of channel.responses) {
    response.write(text);
  }
  return { id: `${ms}-${count}`, subscribers: channel.responses.size };
}

function replay(channel, lastEventId, response) {
  const [ms, count] = lastEventId.split('-').map(Number);
  for (const event of channel.history) {
    if (event.ms > ms || (event.ms === ms && event.count > (count || 0))) {
      response.write(event.text);
    }
  }
}

fastify.get('/events', (request, reply) => {
  const name = request.query.channel;
  if (!name) {
    reply.code(400).send({ error: 'no channel' });
    return;
  }
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache',
    'X-Accel-Buffering': 'no',
  });
  response.write(`retry: ${RETRY_MS}\n\n`);
  const channel = channelOf(name);
  const lastEventId = request.headers['last-event-id'] || request.query.lastEventId;
  if (lastEventId) {
    forgetOld(channel.history);
    replay(channel, lastEventId, response);
  }
  channel.responses.add(response);
  const heartbeat = setInterval(() => response.write(':\n\n'), HEARTBEAT_MS);
  response.on('close', () => {
    clearInterval(heartbeat);
    channel.responses.delete(response);
  });
});

fastify.post('/publish', (request, reply) => {
  if (typeof request.body === 'string') {
    reply.send(publish(request.query.channel, request.query.topic, request.body));
    return;
  }
  const { channel, topic, data } = request.body;
  reply.send(publish(channel, topic, JSON.stringify(data)));
});

process.on('SIGTERM', () => process.exit(0));
fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 });
