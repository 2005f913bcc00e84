// What the published JavaScript client does against a platform; the outcome is written to stdout as JSON.
'use strict';
const pryv = require('pryv');
require('@pryv/socket.io')(pryv);

const APP_ID = 'js-client-tests';
const COUNT = 1000;

const steps = {
  async login (run) {
    run.service = new pryv.Service(run.serviceInfoUrl);
    run.connection = await run.service.login(run.username, run.password, APP_ID);
    const info = await run.connection.accessInfo();
    return { type: info.type, username: await run.connection.username() };
  },

  async batch (run) {
    const calls = [{ method: 'streams.create', params: { id: 'samples', name: 'Samples' } }];
    for (let i = 0; i < COUNT; i++) {
      calls.push({
        method: 'events.create',
        params: { streamIds: ['samples'], type: 'note/txt', content: `sample ${i}`, time: 1700000000 + i }
      });
    }
    const progress = [];
    const results = await run.connection.api(calls, (percent) => progress.push(percent));
    return { results: results.length, errors: results.filter((result) => result.error).length, progress };
  },

  async stream (run) {
    const contents = [];
    const params = { streams: ['samples'], fromTime: 0, limit: 10 * COUNT, sortAscending: true };
    const result = await run.connection.getEventsStreamed(params, (event) => contents.push(event.content));
    return { count: result.eventsCount, first: contents[0], last: contents.at(-1), distinct: new Set(contents).size };
  },

  async authRequest (run) {
    const states = [];
    const permissions = [{ streamId: 'samples', defaultName: 'Samples', level: 'read' }];
    const endpoint = await new Promise((resolve, reject) => {
      const settings = {
        authRequest: { requestingAppId: APP_ID, requestedPermissions: permissions, returnURL: false },
        onStateChange (state) {
          states.push(state.status);
          if (state.status === 'NEED_SIGNIN') accept(run.connection, state.poll, permissions).catch(reject);
          if (state.status === 'ACCEPTED') resolve(state.apiEndpoint);
          if (state.status === 'ERROR') reject(new Error(state.message));
        }
      };
      const controller = new pryv.Auth.AuthController(settings, run.service);
      controller.init().then(() => controller.startAuthRequest()).catch(reject);
    });
    const info = await new pryv.Connection(endpoint).accessInfo();
    return { states, type: info.type, name: info.name };
  },

  async socket (run) {
    const socket = await run.connection.socket.open();
    const told = new Promise((resolve) => socket.on('eventsChanged', () => resolve('eventsChanged')));
    const [result] = await socket.api([
      { method: 'events.create', params: { streamIds: ['samples'], type: 'note/txt', content: 'by socket' } }
    ]);
    const notification = await told;
    socket.close();
    return { content: result.event.content, notification };
  }
};

async function accept (connection, poll, permissions) {
  const access = await connection.apiOne('accesses.create', { type: 'app', name: APP_ID, permissions }, 'access');
  const username = await connection.username();
  const body = JSON.stringify({ status: 'ACCEPTED', username, token: access.token, apiEndpoint: access.apiEndpoint });
  await fetch(poll, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
}

async function main () {
  const [serviceInfoUrl, username, password] = process.argv.slice(2);
  const run = { serviceInfoUrl, username, password };
  const outcome = {};
  for (const [name, step] of Object.entries(steps)) outcome[name] = await step(run);
  console.log(JSON.stringify(outcome));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
