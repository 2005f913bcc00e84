// Writes the monotonic time, in ns, of every notification of changed events.
'use strict';
console.log = () => {}; // the client's own chatter
const pryv = require('pryv');
require('@pryv/socket.io')(pryv);

async function main () {
  const socket = await new pryv.Connection(process.argv[2]).socket.open();
  socket.on('eventsChanged', () => {
    const now = process.hrtime.bigint();
    process.stdout.write(`${now}\n`);
  });
  process.stdout.write('open\n');
}

main();
