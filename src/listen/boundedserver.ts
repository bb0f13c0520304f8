/** An HTTP server that no client holds up: connections and times are bounded, and at its end it waits for nobody. */
import { createServer, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const MAX_CONNECTIONS = 64;
/** A connection on which nothing moves. */
const IDLE_MS = 30_000;
const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
/** What was told last has gone out by then, or its reader hangs. */
const ENDS_WITHIN_MS = 250;

/** It listens nowhere yet. */
export function boundedServer(): Server {
  const server = createServer({
    ...{ headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS },
    connectionsCheckingInterval: HEADERS_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(IDLE_MS);
  return server;
}

/** Ends all connections; answers that are under way have a moment. */
export async function endServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) =>
    server.close(() => {
      resolve();
    }),
  );
  server.closeIdleConnections();
  await Promise.race([closed, delay(ENDS_WITHIN_MS)]);
  server.closeAllConnections();
}
