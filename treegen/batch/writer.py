"""Write the results of an engine to the cache, to Parquet files, or to both, and count them."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from treegen.batch.accuracy import measure, own_images
from treegen.batch.interface import KeySet, Outcome, Source, content_key
from treegen.batch.parquet import KEY_WIDTH, ParquetFolder, key_of
from treegen.batch.plan import Plan
from treegen.batch.tree_predictor import Scorer
from treegen.clip.embedding.cache import EmbeddingCache, unit_rows
from treegen.config.settings import EncoderSettings
from treegen.errors import InputError
from treegen.images import Census, LabelledImage, LeftOut, Skipped, take_census
from treegen.images.interface import RealPaths
from treegen.images.listing import tip_of
from treegen.progress import Progress
from treegen.text import show
from treegen.tree.document import digest_of
from treegen.workflow.score import encoder_notes

if TYPE_CHECKING:
    from treegen.clip.embedding.cache import Vectors
    from treegen.clip.encoders.interface import Encoder

_NAMED: Final = 100  # skipped pictures listed by name; the others are counted
_BROKEN: Final = "that cannot be read"
_DAMAGED: Final = "its vector in the cache is damaged"
_LOOKED_UP: Final = 500  # pictures looked up at once


@dataclass(slots=True, kw_only=True)
class Counts:
    """The numbers of pictures by outcome; each is counted once.

    Attributes:
        embedded: those that the model embedded.
        cached: those whose content was in the cache.
        finished: those whose rows were in the output already.
        skipped: those that could not be embedded.
    """

    embedded: int = 0
    cached: int = 0
    finished: int = 0
    skipped: int = 0

    @property
    def images(self) -> int:
        """The total number of pictures."""
        return self.embedded + self.cached + self.finished + self.skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The results of a run.

    Attributes:
        counts: the numbers of pictures by outcome.
        skipped: the first hundred of those that could not be embedded.
        encoder: name, fingerprint, device and precision.
        accuracy: of the tree on the labelled pictures that may be reported on, see `measure`; `None` without.
        notes: what a reader should know.
        files: the counts of the picture files that were read and left out.
    """

    counts: Counts
    skipped: tuple[Skipped, ...]
    encoder: dict[str, Any]
    accuracy: dict[str, Any] | None
    notes: tuple[str, ...]
    files: Census


@dataclass(slots=True)
class ResultWriter:
    """The only writer: to the cache, to the Parquet files, or to both."""

    plan: Plan
    settings: EncoderSettings
    encoder: "Encoder"
    rows: int
    counts: Counts = field(init=False, default_factory=Counts)
    cache: EmbeddingCache | None = field(init=False, default=None)
    table: ParquetFolder | None = field(init=False, default=None)
    _scorer: Scorer | None = field(init=False, default=None)
    _skipped: list[Skipped] = field(init=False, default_factory=list)
    _sources: int = field(init=False, default=0)
    _files: set[bytes] = field(init=False, default_factory=set)  # of a table, which may name a file in two rows
    _broken: set[bytes] = field(init=False, default_factory=set)  # files that were listed and could not be embedded
    _images: Sequence[LabelledImage] | None = field(init=False, default=None)
    _labels: dict[str, set[int]] | None = field(init=False, default=None)  # content -> its classes in the domain's set
    _listed: list[bytes] = field(init=False, default_factory=list)  # hashed paths: other rows are from earlier runs

    def __post_init__(self) -> None:
        from treegen.clip.encoders.drift import settle

        plan = self.plan
        self.cache = EmbeddingCache(plan.cache) if plan.cache else None
        try:
            if self.cache:
                settle(self.encoder, self.cache)
            self._scorer = Scorer(plan.tree, self.encoder, self.cache, plan.domain, plan.top) if plan.tree else None
            if plan.output:
                about = {
                    "encoder": self.encoder.fingerprint,
                    "crop": str(plan.listing.crop),
                    "tree": digest_of(plan.tree) if plan.tree else "",
                    "rule": self._scorer.words if self._scorer else "",
                    "top": str(plan.top or ""),
                }
                self.table = ParquetFolder(plan.output, about, rows=self.rows)
        except BaseException:
            self.close()
            raise

    @property
    def views(self) -> int:
        """How many views of each picture the domain asks for."""
        return self.plan.domain.compute.views if self.plan.domain and self.cache else 1

    def close(self) -> None:
        """Write pending rows and close the cache; also after an error, so that no computed result is lost."""
        try:
            if self.table:
                self.table.close()
        finally:
            if self.cache:
                self.cache.close()

    def spool_pending(self, sources: Iterator[Source], spool: IO[bytes], progress: Progress) -> int:
        """Store the rows of what is in the cache or the output already, spool the rest, and return its number."""
        by_table = self.plan.listing.settings.kind in ("manifest", "hf")  # tables may list a file in several rows
        waiting, count, outdated, current = 0, 0, by_table, list[bytes]()
        while chunk := list(islice(sources, _LOOKED_UP)):
            if self.table:
                outdated = outdated or any(self.table.outdated(s, self.plan.listing.label(s)) for s in chunk)
                current += [self.table.state(s, self.plan.listing.label(s)) for s in chunk]
                self._listed += [key_of(s.path) for s in chunk]
            rest = self._pending(chunk)
            if rest:
                pickle.dump(rest, spool)
            if by_table:
                self._files.update(key_of(s.path) for s in chunk)
            waiting, count = waiting + len(rest), count + len(chunk)
            self._sources = count
            progress("listing images", count, 0)
        if self.table and outdated:
            self.table.drop(KeySet(self._listed, KEY_WIDTH), KeySet(current, KEY_WIDTH))
        return waiting

    def _pending(self, sources: Sequence[Source]) -> list[Source]:
        rest = [s for s in sources if not (self.table and self.table.has(s, self.plan.listing.label(s)))]
        self.counts.finished += len(sources) - len(rest)
        if not self.cache:
            return rest
        files = self.cache.files([s.name for s in rest])
        digests = {s.name: files[s.name][2] for s in rest if files.get(s.name, ())[:2] == (s.size, s.changed)}
        outcomes = [Outcome(source=s, digest=digests[s.name]) for s in rest if s.name in digests]
        cached = {o.source.name for o in self._add_cached(outcomes)}
        return [s for s in rest if s.name not in cached]

    def _add_cached(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes whose content is in the cache, and add their rows to the Parquet output."""
        assert self.cache is not None
        if self.table:
            pairs = [(o, vectors) for o, vectors in zip(outcomes, self._stored(outcomes), strict=True) if len(vectors)]
            if pairs:
                self._add_rows([o for o, _ in pairs], np.stack([v for _, v in pairs]))
            cached = [o for o, _ in pairs]
        else:
            keys = [self._keys(o) for o in outcomes]
            keys_in_cache = self.cache.has(self.encoder.fingerprint, [key for views in keys for key in views])
            cached = [o for o, views in zip(outcomes, keys, strict=True) if keys_in_cache.issuperset(views)]
        self.counts.cached += len(cached)
        return cached

    def _stored(self, outcomes: Sequence[Outcome]) -> "list[Vectors]":
        """Return the vectors of each picture in the cache, (V, D); empty if one of them is missing."""
        assert self.cache is not None
        keys = [self._keys(o) for o in outcomes]
        vectors = self.cache.get(self.encoder.fingerprint, list(dict.fromkeys(key for views in keys for key in views)))
        none = np.zeros((0, 0), np.float32)
        return [np.stack([vectors[k] for k in views]) if vectors.keys() >= set(views) else none for views in keys]

    def _keys(self, outcome: Outcome, views: Sequence[int] | None = None) -> list[bytes]:
        """Return the keys of some views of a picture; of all that the domain asks for if not given."""
        image, crop = outcome.source.image, self.plan.listing.crop
        numbers = range(self.views) if views is None else views
        return [content_key(image, outcome.digest, crop, view) for view in numbers]

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Store the results of an engine at once."""
        new = [o for o in outcomes if o.vector is not None]
        already_embedded = [o for o in outcomes if o.vector is None and not o.reason]
        for outcome in outcomes:
            if outcome.reason:
                self._skip(Skipped(path=Path(outcome.source.path), reason=outcome.reason))
        if new:
            matrix = np.concatenate([np.atleast_2d(o.vector) for o in new if o.vector is not None])
            vectors = unit_rows(matrix.astype(np.float16))
            if self.cache:
                keys = [key for o in new for key in self._keys(o, o.views)]
                vectors = self.cache.put(self.encoder.fingerprint, keys, matrix)
            if self.views > 1:  # those of a picture that were embedded earlier belong to its row too
                self._add_views(new)
            else:
                self._add_rows(new, vectors[:, None])
                self.counts.embedded += len(new)
        if self.cache:
            stored = {id(o) for o in self._add_cached(already_embedded)}
            for lost in (o for o in already_embedded if id(o) not in stored):
                self._skip(Skipped(path=Path(lost.source.path), reason=_DAMAGED))
            self.cache.remember_files(
                (o.source.name, o.source.size, o.source.changed, o.digest) for o in new + already_embedded
            )

    def _add_views(self, outcomes: Sequence[Outcome]) -> None:
        """Add the rows of pictures with several views, whose vectors are in the cache by now."""
        stored = self._stored(outcomes)
        sound = [(o, vectors) for o, vectors in zip(outcomes, stored, strict=True) if len(vectors)]
        for lost in (o for o, vectors in zip(outcomes, stored, strict=True) if not len(vectors)):
            self._skip(Skipped(path=Path(lost.source.path), reason=_DAMAGED))
        if sound:
            self._add_rows([o for o, _ in sound], np.stack([vectors for _, vectors in sound]))
        self.counts.embedded += len(sound)

    def _skip(self, skipped: Skipped) -> None:
        self.counts.skipped += 1
        self._broken.add(key_of(str(skipped.path)))
        if len(self._skipped) < _NAMED:
            self._skipped.append(skipped)

    def _census(self) -> Census:
        """Count the picture files that were read and left out; a file that two rows of a table name counts once."""
        findings, root = self.plan.listing.findings, self.plan.listing.root
        listed = len(self._files) if self._files else self._sources
        grouped = take_census((), (*findings.skipped, *findings.passed_over), root).left_out
        if self._files:
            named = [s for s in (*findings.skipped, *findings.passed_over) if key_of(s.below(root)) not in self._files]
            grouped = take_census((), named, root).left_out
        if findings.linked:  # what a link leads to was read under the link's name
            paths = RealPaths()
            left = (*findings.skipped, *findings.passed_over)
            others = [s for s in left if findings.linked.get(paths.of(s.path), s.path) == s.path]
            grouped = take_census((), others, root).left_out
        broken = [each for each in grouped if each.kind == _BROKEN]
        count, names = sum(each.count for each in broken), tuple(name for each in broken for name in each.names)
        names += tuple(dict.fromkeys(str(each.path) for each in self._skipped))
        together = LeftOut(kind=_BROKEN, count=count + len(self._broken), names=names)
        left_out = [
            *(each for each in grouped if each.kind != _BROKEN),
            *([together] if together.count else ()),
        ]
        left_out.sort(key=lambda each: -each.count)
        return Census(read=listed - len(self._broken), left_out=tuple(left_out))

    def _add_rows(self, outcomes: Sequence[Outcome], vectors: "Vectors") -> None:
        """Add rows; `vectors` are (N, V, D)."""
        if self.table is None:
            return
        itself, labels = vectors[:, 0], [self.plan.listing.label(o.source) for o in outcomes]
        recognised = [
            self._domain_label(o.digest) if label is None else None for o, label in zip(outcomes, labels, strict=True)
        ]
        self.table.add(
            [o.source for o in outcomes],
            [o.digest for o in outcomes],
            [label or ours for label, ours in zip(labels, recognised, strict=True)],
            itself,
            self._scorer.answer(vectors if self.views > 1 else itself) if self._scorer else None,
            [label is not None for label in recognised] if self.plan.workspace and not self.plan.listing.own else (),
        )

    def _domain_images(self) -> Sequence[LabelledImage]:
        """Return the images of the domain's own set, unless it is these that are embedded; they are listed once."""
        if self._images is None:
            workspace = self.plan.workspace
            self._images = own_images(workspace.domain, self.cache) if workspace and not self.plan.listing.own else ()
        return self._images

    def _domain_label(self, digest: str) -> str | None:
        """Return the class that a picture of this content has in the domain's own set, if it is one."""
        if self._labels is None:
            self._labels = {}
            for image in self._domain_images():
                self._labels.setdefault(image.digest, set()).add(image.label)
        classes = self._labels.get(digest, set())
        return self.plan.domain.classes[min(classes)] if self.plan.domain and len(classes) == 1 else None

    def _measure(self) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        if self.table is None:
            return None, ()
        return measure(
            self.plan,
            self.table,
            self.encoder.fingerprint,
            self._scorer.words if self._scorer else "",
            KeySet(self._listed, KEY_WIDTH),
            self._domain_images(),
        )

    def finish(self) -> Summary:
        """Summarise the run, after writing everything to disk.

        Raises:
            InputError: nothing could be embedded.
        """
        findings, files = self.plan.listing.findings, self._census()
        for left_out in findings.skipped:
            name = left_out.below(self.plan.listing.root)
            self._skip(Skipped(path=Path(name), reason=left_out.reason))
        if self.counts.images == self.counts.skipped:
            message = f"{self.plan.listing.settings.source}: no image can be embedded"
            if self._skipped:
                first = self._skipped[0]
                message += f"; {self.counts.skipped} skipped, first {first.path}: {first.reason}"
            if findings.passed_over:
                message += f"; left out: {', '.join(f'{each.count} {each.kind}' for each in files.left_out)}"
            message = "; ".join([message, *self.plan.listing.sets_below()])
            names = self.plan.listing.labels
            meant = names.did_you_mean(findings.unknown_labels) if names else []
            tips = [*(each.tip for each in findings.skipped), *meant, tip_of(findings.passed_over)]
            tip = next(filter(None, tips), "")
            raise InputError(message, tip or "expected PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF files")
        if self.table:
            self.table.flush()
        accuracy, recognised = self._measure()
        notes = [*self.plan.notes, *self.plan.listing.notes(), *recognised]
        notes += encoder_notes(self.settings, self.plan.domain)
        if findings.unknown_labels:
            labels = ", ".join(map(show, sorted(findings.unknown_labels)[:5]))
            notes.append(f"left out, as their labels are not classes of the domain: {labels}")
        if self._scorer and self.plan.domain and self.plan.domain.compute.adapt == "lora":
            notes.append("[compute] adapt = lora is not for bulk: the answers are those of the views, untrained")
        if self.cache and self.cache.rebuilt:
            notes.append("the embedding cache was damaged: it was set aside and rebuilt")
        encoder = self.encoder
        return Summary(
            counts=self.counts,
            skipped=tuple(self._skipped),
            accuracy=accuracy,
            files=files,
            notes=(*notes, *encoder.notes),
            encoder={"name": encoder.name, "fingerprint": encoder.fingerprint, "precision": encoder.precision},
        )
