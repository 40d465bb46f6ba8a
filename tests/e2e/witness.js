// In the page before its own scripts: finds its terminal and counts what its socket brought.
// Nothing of this is in the page itself.
(() => {
  const witness = { terminal: null, next: null, connections: 0, redraws: 0 };
  window.witness = witness;

  // The page's terminal keeps its core under this name, with a plain assignment.
  Object.defineProperty(Object.prototype, '_core', {
    configurable: true,
    set(core) {
      Object.defineProperty(this, '_core', { value: core, writable: true, configurable: true });
      if ('buffer' in this && 'modes' in this) witness.terminal = this;
    },
  });

  window.WebSocket = class extends WebSocket {
    constructor(...words) {
      super(...words);
      witness.next = null;
      let isRedraw = false;
      const hear = ({ data }) => {
        if (typeof data !== 'string') {
          if (!isRedraw) witness.next += data.byteLength;
          isRedraw = false;
          return;
        }
        const message = JSON.parse(data);
        if (message.type === 'hello') witness.connections += 1;
        if (message.type === 'screen') {
          isRedraw = true;
          witness.redraws += 1;
        }
        if ('offset' in message) witness.next = message.offset;
      };
      if (String(words[0]).includes('/ws/terminal')) this.addEventListener('message', hear);
    }
  };

  const PALETTE_16 = 0x1000000;
  const PALETTE_256 = 0x2000000;

  /** A colour as it looks: the first sixteen have two ways to be asked for. */
  const colour = (mode, value) => (mode === 0 ? '' : `${mode === PALETTE_16 ? PALETTE_256 : mode}:${value}`);

  /** A row as it looks: text, width and colours of each cell; an empty cell is a space. */
  function row(line, cols) {
    const runs = [];
    let text = '';
    let style = '';
    const cell = line.getCell(0);
    for (let x = 0; x < cols; x += 1) {
      line.getCell(x, cell);
      const width = cell.getWidth();
      const shown = width === 0 ? '' : (cell.getChars() || ' ') + (width === 2 ? '\u2194' : '');
      // Of a space only this is seen; the other flags and the first colour are those of letters.
      const lines = [
        cell.isInverse(), cell.isUnderline(), cell.isStrikethrough(), cell.isOverline(),
      ];
      const faces = [
        cell.isBold(), cell.isItalic(), cell.isDim(), cell.isBlink(), cell.isInvisible(),
      ];
      const isBlank = shown === ' ' && !lines.some(Boolean);
      const flags = [...lines, ...(shown === ' ' ? [] : faces)].map((on) => (on ? 1 : 0)).join('');
      const letters = colour(cell.getFgColorMode(), cell.getFgColor());
      const ground = colour(cell.getBgColorMode(), cell.getBgColor());
      const now = `${isBlank ? '' : letters} ${ground} ${flags}`;
      if (now !== style) {
        if (text !== '') runs.push([style, text]);
        [style, text] = [now, ''];
      }
      text += shown;
    }
    const rest = style === '  0000' ? text.trimEnd() : text;
    if (rest !== '') runs.push([style, rest]);
    return JSON.stringify(runs);
  }

  function rows(buffer, cols) {
    return Array.from({ length: buffer.length }, (_, y) => row(buffer.getLine(y), cols));
  }

  /** Whether the shell's prompt is all there is on the line of the cursor. */
  witness.waits = (prompt) => {
    const { active } = witness.terminal.buffer;
    const line = active.getLine(active.baseY + active.cursorY);
    return active.type === 'normal' && line.translateToString(true).trim() === prompt;
  };

  /** Whether a full-screen program is there. */
  witness.isFull = () => witness.terminal.buffer.active.type === 'alternate';

  /** Everything the terminal shows and would do next, once all that came has been drawn. */
  witness.look = async () => {
    const { terminal, next } = witness;
    if (terminal === null || next === null) return null;
    await new Promise((done) => terminal.write('', done));
    if (witness.next !== next) return null; // more came meanwhile
    const { buffer, cols, modes } = terminal;
    const core = terminal._core;
    const { active } = buffer;
    return {
      offset: next,
      size: [cols, terminal.rows],
      which: active.type,
      cursor: [active.cursorX, active.cursorY, core.coreService.isCursorHidden],
      modes: { ...modes },
      region: [core.buffer.scrollTop, core.buffer.scrollBottom],
      primary: rows(buffer.normal, cols),
      alternate: active.type === 'alternate' ? rows(buffer.alternate, cols) : [],
    };
  };
})();
