import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin, Rolldown } from 'vite';
import { defineConfig } from 'vitest/config';

const page = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// `npm run dev` serves the page and forwards the rest to a daemon; its guard wants its own origin.
const daemon = process.env['WORKSHOP_DAEMON'] ?? 'http://127.0.0.1:8080';
const forward = { target: daemon, changeOrigin: true, headers: { origin: daemon } };

/**
 * Lays a packed copy beside each asset, so that the daemon never packs, and prints the page's size.
 * It packs what was written: other plugins still change chunks while the bundle is generated.
 */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    writeBundle({ dir }, bundle) {
      if (dir === undefined) throw new Error('the page is built into a folder');
      let first = 0; // what the page loads before anything is clicked
      const early = new Set(Object.values(bundle).flatMap(entryFiles));
      for (const name of Object.keys(bundle)) {
        if (!name.startsWith('assets/')) continue;
        const packedFile = gzipSync(readFileSync(join(dir, name)), { level: 9 });
        if (early.has(name)) first += packedFile.length;
        writeFileSync(join(dir, `${name}.gz`), packedFile);
      }
      process.stdout.write(
        `The page is ${(first / 1024).toFixed(1)} KiB of JavaScript and CSS, packed.\n`,
      );
    },
  };
}

/** Gives the command line what a recording needs to play offline, beside the page's own copy. */
function offlinePlayer(): Plugin {
  return {
    name: 'offline-player',
    apply: 'build',
    closeBundle() {
      const there = page('../host/player');
      mkdirSync(there, { recursive: true });
      for (const name of ['asciinema-player.min.js', 'asciinema-player.css'])
        copyFileSync(
          page(`./node_modules/asciinema-player/dist/bundle/${name}`),
          join(there, name),
        );
    },
  };
}

function entryFiles(file: Rolldown.OutputAsset | Rolldown.OutputChunk): string[] {
  if (file.type !== 'chunk' || !file.isEntry) return [];
  return [file.fileName, ...file.imports, ...(file.viteMetadata?.importedCss ?? [])];
}

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), packed(), offlinePlayer()],
  // Svelte's package has a server build, which vitest would choose.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  server: { proxy: { '/api': forward, '/ws': { ...forward, ws: true } } },
  build: {
    outDir: page('../runtime/static'),
    emptyOutDir: true,
    target: 'es2022',
    // The page's content security policy has no room for inlined modules.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    reportCompressedSize: false,
    rolldownOptions: {
      input: {
        student: page('./index.html'),
        instructor: page('./instructor.html'),
        class: page('./class.html'),
      },
    },
  },
  // One worker with one document for all files: starting jsdom costs more than every test together.
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    pool: 'threads',
    isolate: false,
    maxWorkers: 1,
  },
}));
