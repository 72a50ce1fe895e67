// The board in a browser: puts the parts of tiles that the server sent where they belong, and counts the seconds.
// The server has escaped what it sends as HTML; all else is set as text.
const CELLS = ["v0", "v1", "v2", "v3", "v4", "v5"];
const NEWS_LATE_MS = 10000;

function ageText(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

function child(parent, tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  parent.appendChild(made);
  return made;
}

class Tile {
  constructor(patient) {
    this.element = document.createElement("li");
    this.element.dataset.patient = patient;
    this.seen = 0;
    this.parts = { head: child(this.element, "div", "ward-head"), state: child(this.element, "div", "ward-state") };
    const grid = child(this.element, "div", "ward-grid");
    for (const name of CELLS) this.parts[name] = child(grid, "div", "ward-cell");
    const foot = child(this.element, "div", "ward-foot");
    this.parts.score = child(foot, "span", "ward-score");
    this.age = child(foot, "span", "ward-seen");
  }

  take(parts) {
    for (const [name, html] of Object.entries(parts)) {
      if (name === "looks") this.element.className = html;
      else if (name === "seen") this.seen = Number(html);
      else if (this.parts[name]) this.parts[name].innerHTML = html;
    }
  }

  tick(now) {
    const text = this.seen ? `last reading ${ageText(now - this.seen)}` : "no reading";
    if (this.age.textContent !== text) this.age.textContent = text;
  }
}

export default {
  template: `
    <div class="ward-board" :class="{ 'ward-board-cut': cut || asleep }">
      <div class="ward-bar">
        <label class="ward-pick">Ward
          <select :value="ward" @change="choose($event.target.value)">
            <option value="">All wards</option>
            <option v-for="one in choices" :key="one[0]" :value="one[0]">{{ one[0] }} ({{ one[1] }})</option>
          </select>
        </label>
        <p class="ward-counts" aria-live="polite">
          <span class="ward-c"><b>{{ counts.beds }}</b> {{ counts.beds === 1 ? "bed" : "beds" }}</span>
          <span class="ward-c" :class="{ 'ward-c-high': counts.high }"><span aria-hidden="true">▲</span> <b>{{ counts.high }}</b> high</span>
          <span class="ward-c" :class="{ 'ward-c-medium': counts.medium }"><span aria-hidden="true">◆</span> <b>{{ counts.medium }}</b> medium</span>
          <span class="ward-c" :class="{ 'ward-c-silent': counts.silent }"><span aria-hidden="true">✕</span> <b>{{ counts.silent }}</b> no signal</span>
        </p>
        <span class="ward-zone">Times: {{ zone }}</span>
      </div>
      <p v-if="cut" class="ward-old" role="alert">THIS PAGE IS CUT OFF: nothing has come from the server for {{ cut }} s.</p>
      <p v-for="one in problems" :key="one" class="ward-problem" role="alert">{{ one }}</p>
      <p v-if="!counts.beds && !problems.length" class="ward-empty">No bed{{ ward ? " in this ward" : "" }}.</p>
      <ul ref="list" class="ward-tiles" role="list"></ul>
    </div>`,
  props: { news: Object, ward: String, zone: String },
  data() {
    return { counts: { beds: 0, high: 0, medium: 0, silent: 0 }, wards: [], problems: [], cut: 0, asleep: false };
  },
  computed: {
    choices() {
      const known = this.wards.some((one) => one[0] === this.ward);
      return !this.ward || known ? this.wards : [[this.ward, 0], ...this.wards];
    },
  },
  created() {
    this.tiles = new Map(); // not reactive on purpose
    this.order = [];
    this.version = 0;
    this.offset = 0;
    this.heardAt = performance.now();
  },
  mounted() {
    this.take(this.news);
    this.timer = setInterval(() => this.tick(), 1000);
    document.addEventListener("visibilitychange", this.shown);
    if (document.hidden) this.shown();
  },
  unmounted() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.shown);
  },
  watch: {
    news(news) {
      this.take(news);
    },
  },
  methods: {
    choose(ward) {
      window.location.href = ward ? `/board?ward=${encodeURIComponent(ward)}` : "/board";
    },
    shown() {
      this.heardAt = performance.now();
      this.asleep = true; // what a hidden page showed last is old until it has heard something
      this.$emit("shown", !document.hidden);
    },
    take(news) {
      this.heardAt = performance.now();
      if (news.from > this.version) {
        this.$emit("lacking"); // a message was lost on the way: everything is sent again
        return;
      }
      this.asleep = document.hidden;
      if (news.to <= this.version) return;
      this.version = news.to;
      this.offset = news.now - performance.now();
      this.counts = news.counts;
      this.problems = news.problems;
      if (news.wards) this.wards = news.wards;
      if (news.order) this.order = news.order;
      for (const [patient, parts] of Object.entries(JSON.parse(news.tiles))) {
        if (!this.tiles.has(patient)) this.tiles.set(patient, new Tile(patient));
        this.tiles.get(patient).take(parts);
      }
      if (news.order) this.place();
      this.tick();
    },
    place() {
      const present = new Set(this.order);
      const focused = document.activeElement;
      for (const [patient, tile] of this.tiles) {
        if (present.has(patient)) continue;
        tile.element.remove();
        this.tiles.delete(patient);
      }
      let next = this.$refs.list.firstChild;
      for (const patient of this.order) {
        const element = this.tiles.get(patient)?.element;
        if (!element) continue;
        if (element === next) next = next.nextSibling;
        else this.$refs.list.insertBefore(element, next);
      }
      // A tile that moves takes the focus of the keyboard with it.
      if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
    },
    tick() {
      const silence = performance.now() - this.heardAt;
      this.cut = silence > NEWS_LATE_MS && !document.hidden ? Math.round(silence / 1000) : 0;
      const now = performance.now() + this.offset;
      for (const tile of this.tiles.values()) tile.tick(now);
    },
  },
};
