// pm2 start docs/deploy/pm2.config.js && pm2 logs sidetone
module.exports = {
  apps: [
    {
      name: 'sidetone',
      script: '/usr/local/bin/sidetone',
      args: 'serve',
      interpreter: 'none',
      // Where `.env` lies.
      cwd: '/srv/sidetone',
      env: { SIDETONE_OUTPUT_LOG: 'text', SIDETONE_OUTPUT_TRANSCRIPTS: 'true' },
      // One process holds all calls; running ones are finished before it ends.
      instances: 1,
      kill_timeout: 660000,
    },
  ],
};
