// Writes the monotonic time, in ns, of every change of an event that a monitor delivers.
'use strict';
console.log = () => {}; // the client's own chatter
const pryv = require('pryv');
require('@pryv/socket.io')(pryv);
require('@pryv/monitor')(pryv);

class Opened extends pryv.Monitor.UpdateMethod.Socket {
  async ready () {
    await super.ready();
    if (!this.told) process.stdout.write('open\n');
    this.told = true;
  }
}

async function main () {
  const monitor = new pryv.Monitor(process.argv[2], { streams: ['diary'] });
  monitor.addUpdateMethod(new Opened());
  await monitor.start();
  monitor.on('event', () => {
    const now = process.hrtime.bigint();
    process.stdout.write(`${now}\n`);
  });
}

main();
