import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['shared/test/**/*.test.ts', 'testpage/test/**/*.test.ts'],
    // For machines that are busy; no test waits for a clock.
    testTimeout: 60_000,
  },
});
