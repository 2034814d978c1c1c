/**
 * Finds prose that breaks the rules of CONTRIBUTING.md: private nicknames instead of standard terms,
 * patterns of the old voice, and comments wider than 100 columns. `make check` runs it on every file.
 */

export type Finding = { readonly line: number; readonly problem: string };

const maxColumns = 100;

/** A word or pattern, and what to write instead. */
const rules: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\bcan not\b/i, 'cannot'],
  [/\bwhat became of\b/i, 'what happened to, the outcome of'],
  [/\bwhat becomes of\b/i, 'what happens to'],
  [/\bmend(s|ed|ing)?\b/i, 'patch, correct, fix'],
  [/\b(guilty|guilt|culprit)\b/i, 'violation'],
  [/\bneighbours?\b/i, 'peer'],
  [/\bheirs?\b/i, 'successor'],
  [/\bvouch(es|ed)?\b/i, 'allow stale'],
  [/\bgiven? back\b|\bgives back\b/i, 'release'],
  [/\bwhoever\b/i, 'name the actor'],
  [/\bwhom\b/i, 'name the actor'],
  [/\bfor ever\b/i, 'forever'],
  [/\bunder way\b/i, 'in flight, in progress'],
  [/\ball the same\b/i, 'nevertheless'],
  [/\bby itself\b(?! ends)/i, 'on its own, without help'],
  [/\bnobody\b/i, 'name the actor'],
  [/\bis away\b|\bare away\b|\bwas away\b/i, 'is unreachable'],
  [/\bmade again\b|\bmakes again\b/i, 'recreated'],
  [/\bsent back\b|\bsends back\b/i, 'redriven, returned'],
  [/\banother matter\b/i, 'say what differs'],
  [/\bso long\b|\bas long as it was told\b/i, 'this long'],
  [/\bits own ghost\b|\bghosts?\b/i, 'the dead member'],
  [/\bhas to be\b|\bhave to be\b/i, 'must be'],
  [/\bfast lane\b/i, 'fast path'],
  [/\brooms? and floors?\b/i, 'modules and layers'],
  [/\b(an?|the|each|one|its|no|every) answers?\b/i, 'response'],
  [/\banswered (2|4|5)\d\d\b/i, 'responds with'],
  [/\bparcels?\b/i, 'batch'],
  [/\bscenes?\b/i, 'deployment'],
  [/\btime stamp/i, 'timestamp'],
  [/\btold (apart|from)\b/i, 'distinguished from'],
  [/\bdear(er|est)?\b/i, 'expensive'],
  [/\b(events?|webhooks|records|requests|look-ups|times|\d+) a second\b/i, 'per second'],
];

/** A doc comment begins with a verb or a noun phrase. */
const badStart = /^\s*(\/\*\*|\*) (Of|Who|Whom|What|Where|For|By what)\b/;

/** Returns the findings in a comment, a string or a page's text. */
function findingsIn(text: string, firstLine = 1): readonly Finding[] {
  return text.split('\n').flatMap((line, i) => {
    const found = rules.filter(([pattern]) => pattern.test(line));
    return found.map(([pattern, instead]) => {
      const words = pattern.exec(line)?.[0] ?? '';
      return { line: firstLine + i, problem: `"${words}": write ${instead}` };
    });
  });
}

const comment = /\/\*\*?[\s\S]*?\*\/|(?<!['"`:\w])\/\/.*$/gm;

/** Returns the findings in a source file: in its comments and strings, and comments that are too wide. */
export function findingsInSource(text: string): readonly Finding[] {
  const comments = [...text.matchAll(comment)].flatMap((match) => {
    const line = text.slice(0, match.index).split('\n').length;
    return [...findingsIn(match[0], line), ...startOf(match[0], line)];
  });
  const strings = [
    ...text.matchAll(/'(?:\\.|[^'\\\n])* (?:\\.|[^'\\\n])*'|"[^"\n]* [^"\n]*"|`[^`]* [^`]*`/g),
  ].flatMap((match) => findingsIn(match[0], text.slice(0, match.index).split('\n').length));
  const isComment = (line: string) => /^\s*(\/\*\*|\*|\/\/)/.test(line);
  return [...comments, ...strings, ...wideLines(text, isComment)];
}

function startOf(text: string, line: number): readonly Finding[] {
  const [first = '', second = ''] = text.split('\n');
  const start = first.trim() === '/**' ? second : first;
  const words = badStart.exec(start)?.[2];
  if (words === undefined || !text.startsWith('/**')) return [];
  return [{ line, problem: `begins with "${words}": begin with a verb or a noun phrase` }];
}

/** Returns the lines that are too wide, of those that must not be. A link may be wide. */
function wideLines(text: string, isBounded: (line: string) => boolean): readonly Finding[] {
  return text.split('\n').flatMap((line, i) => {
    const isWide = [...line].length > maxColumns && isBounded(line) && !/https?:/.test(line);
    return isWide ? [{ line: i + 1, problem: `wider than ${maxColumns} columns` }] : [];
  });
}

/** Returns the findings in a Markdown page; tables, code blocks and links may be wide. */
export function findingsInPage(text: string): readonly Finding[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, (block) => block.replaceAll(/[^\n]/g, ''));
  if (text.startsWith('<!-- Generated')) return findingsIn(withoutCode(prose));
  const isBounded = (line: string) => !/^\||\]\(/.test(line);
  return [...findingsIn(withoutCode(prose)), ...wideLines(prose, isBounded)];
}

/** Removes code spans: a changelog may name what was renamed. */
function withoutCode(text: string): string {
  return text.replaceAll(/`[^`\n]+`/g, '``');
}
