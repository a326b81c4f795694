"""The page: tabs for what a model can do, each a few controls and what comes of them."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from threading import Lock
from typing import Any

from ganwright.app import generated, uploaded
from ganwright.app.abilities import Abilities, abilities
from ganwright.app.painting import canvas_of, editor
from ganwright.app.toolkit import gradio, told
from ganwright.data.read.files import EXTENSIONS
from ganwright.errors import SettingsError
from ganwright.inference.model import Model

_WAYS = {"a2b": "a to b", "b2a": "b to a"}
CSS = """
.shown .image-container { padding-top: 2.2rem }
.head h1, .head p, .toast-body { overflow-wrap: anywhere }
"""
"""Labels stand above images and not on them."""


_ALONE = Lock()
"""One request at a time, of all pages in this process: random numbers are the process's."""


class Demo:
    """A model behind a page.

    Args:
        model: what is shown.
        newest: loads the run's newest checkpoint.
    """

    def __init__(self, model: Model, newest: Callable[[], Model] | None = None) -> None:
        self.model, self.newest = model, newest
        self.can: Abilities = abilities(model)
        if not self.can.any:
            raise SettingsError(f"{model.family} draws no samples and takes no images to show")

    def ask(self, function: Callable[..., Any], **more: Any) -> Callable[..., Any]:
        """A callback: `function` of the model and the controls' values."""

        def call(*values: Any) -> Any:
            with _ALONE:
                return function(self.model, *values, **more)

        return told(call)

    def head(self) -> str:
        """What is shown, as HTML."""
        model = self.model
        said = f"after {model.step:,} steps, from {model.run.name}"
        return f"<h1>{escape(model.family)}</h1><p>{escape(said)}</p>"

    def reload(self, _: Model) -> str:
        """Take the newest checkpoint, and say so; if there is none, the model stays as it is."""
        assert self.newest is not None
        self.model = self.newest()
        return self.head()


def build(model: Model, newest: Callable[[], Model] | None = None) -> Any:
    """The page as `gradio.Blocks`; see `ganwright.app.build`."""
    gr = gradio()
    demo = Demo(model, newest)
    can = demo.can
    tabs: list[tuple[str, Callable[[Any, Demo, Any], None], bool]] = [
        ("Samples", _samples, can.sample),
        ("Interpolation", _interpolation, can.walk),
        ("Directions", _directions, can.directions > 0),
        ("Translate", _translate, bool(can.translate)),
        ("Draw", _draw, bool(can.translate)),
        ("Fill holes", _fill, can.fill),
        (_reading(can), _read, can.reads),
    ]
    title = f"{model.family} · Ganwright"
    with gr.Blocks(title=title, analytics_enabled=False) as blocks:
        head = gr.HTML(demo.head(), elem_classes=["head"])
        with gr.Tabs():
            for name, fill, offered in tabs:
                if offered:
                    with gr.Tab(name):
                        fill(gr, demo, blocks)
        if newest is not None:
            button = gr.Button("Load the newest checkpoint", size="sm")
            _on(button.click, demo.ask(demo.reload), [], head)
    return blocks


def _on(event: Any, function: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """A callback that no client of the page's API can call by name."""
    event(function, inputs, outputs, api_visibility="private")


def _samples(gr: Any, demo: Demo, blocks: Any) -> None:
    can = demo.can
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            seed = _seed(gr, "Seed")
            n = gr.Slider(1, generated.MOST, 16, step=1, label="Number of samples")
            label = _classes(gr, demo.model, all_of_them=True) if can.named else gr.State(None)
            scale = _scale(gr) if can.scaled else gr.State(1.0)
            truncation = _truncation(gr, demo) if can.truncation else gr.State(None)
            button = gr.Button("Sample", variant="primary")
        with gr.Column(scale=2, min_width=300):
            shown = _image(gr, "Samples")
    inputs = [seed, n, label, scale, truncation]
    _on(button.click, demo.ask(generated.grid), inputs, shown)
    _on(blocks.load, demo.ask(generated.grid), inputs, shown)


def _interpolation(gr: Any, demo: Demo, _: Any) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            first, second = _seed(gr, "From seed"), _seed(gr, "To seed", 1)
            label = _classes(gr, demo.model) if demo.can.walk_named else gr.State(None)
            position = gr.Slider(0, 1, 0.5, step=0.01, label="Position")
            button = gr.Button("Show", variant="primary")
            animate = gr.Button("Animate")
        with gr.Row(scale=2):
            shown = _image(gr, "At this position")
            moving = _image(gr, "There and back", "gif")
    inputs = [first, second, position, label]
    for event in (button.click, position.release):
        _on(event, demo.ask(generated.between), inputs, shown)
    walk = demo.ask(generated.animation, folder=_folder(moving))
    _on(animate.click, walk, [first, second, label], moving)


def _directions(gr: Any, demo: Demo, _: Any) -> None:
    most = demo.can.directions
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            seed = _seed(gr, "Seed")
            label = _classes(gr, demo.model) if demo.can.walk_named else gr.State(None)
            number = gr.Slider(1, most, 1, step=1, label="Direction", info="1 changes most (SeFa)")
            strength = gr.Slider(-5, 5, 2, step=0.1, label="Strength")
            button = gr.Button("Show", variant="primary")
        with gr.Column(scale=2, min_width=300):
            shown = _image(gr, "The sample, and changed")
    inputs = [seed, number, strength, label]
    for event in (button.click, number.release, strength.release):
        _on(event, demo.ask(generated.changed), inputs, shown)


def _translate(gr: Any, demo: Demo, _: Any) -> None:
    file = _upload(gr)
    chosen = _chosen(gr, demo.can)
    button = gr.Button("Translate", variant="primary")
    given, made, download = _pair(gr)
    run = demo.ask(uploaded.translated, folder=_folder(given))
    for event in (file.upload, button.click):
        _on(event, _with_download(gr, run), [file, *chosen], [given, made, download])


def _draw(gr: Any, demo: Demo, _: Any) -> None:
    chosen = _chosen(gr, demo.can)
    canvas = canvas_of(gr, demo.model, demo.can.translate[0])
    button = gr.Button("Translate", variant="primary")
    given, made, download = _pair(gr)
    run = demo.ask(uploaded.drawn, folder=_folder(given))
    _on(button.click, _with_download(gr, run), [canvas, *chosen], [given, made, download])
    if len(demo.can.translate) > 1:
        again = demo.ask(lambda model, way: uploaded.cleared(uploaded.blank(model, way)))
        _on(chosen[0].change, again, chosen[:1], canvas)


def _fill(gr: Any, demo: Demo, _: Any) -> None:
    file = _upload(gr)
    gr.Markdown("Paint over what is to be replaced; without paint, it is a square in the centre.")
    canvas = editor(gr, uploaded.blank(demo.model, "a2b"), ["#ff00ff"])
    button = gr.Button("Fill", variant="primary")
    with gr.Row():
        given, made = _image(gr, "With holes"), _image(gr, "Filled")
    _on(file.upload, demo.ask(uploaded.canvas_of), [file], canvas)
    _on(button.click, demo.ask(uploaded.filled), [file, canvas], [given, made])


def _read(gr: Any, demo: Demo, _: Any) -> None:
    can, file = demo.can, _upload(gr)
    button = gr.Button(_reading(can), variant="primary")
    with gr.Row():
        shown = [_image(gr, "As the networks see it")]
        if can.reconstruct:
            shown.append(_image(gr, "Reconstruction"))
        if can.classify:
            shown.append(gr.Label(label="Class", num_top_classes=10, min_width=240))
    run = demo.ask(uploaded.read, reconstruct=can.reconstruct, classify=can.classify)
    for event in (file.upload, button.click):
        _on(event, run, [file], shown)


def _reading(can: Abilities) -> str:
    names = [("Reconstruct", can.reconstruct), ("Classify", can.classify)]
    return " and ".join(name for name, offered in names if offered).capitalize()


def _seed(gr: Any, label: str, value: int = 0) -> Any:
    return gr.Number(value, label=label, precision=0, minimum=0)


def _truncation(gr: Any, demo: Demo) -> Any:
    """The family's own, from where the run has it."""
    assert demo.can.truncation is not None
    least, most = demo.can.truncation
    now = demo.model.truncation
    return gr.Slider(
        *(least, most, most if now is None else now),
        step=0.05,
        label="Truncation",
        info="The lower it is, the more typical samples are, and the less they vary",
    )


def _scale(gr: Any) -> Any:
    return gr.Slider(
        *(0.1, 1.5, 1.0),
        step=0.05,
        label="Truncation",
        info="Scales the latents: below 1, samples are more typical and vary less",
    )


def _classes(gr: Any, model: Model, all_of_them: bool = False) -> Any:
    """The classes by name; where an image may have several, any number of them."""
    spec = model.spec
    names = [spec.classes[k] for k in spec.asked]
    if spec.several:
        value = [] if all_of_them else names[:1]
        return gr.Dropdown(names, value=value, multiselect=True, label="Classes")
    choices = [(name, name) for name in names]
    if all_of_them:
        choices.insert(0, ("each in turn", ""))
    return gr.Dropdown(choices, value=choices[0][1], label="Class")


def _image(gr: Any, label: str, kind: str = "png") -> Any:
    return gr.Image(
        label=label,
        format=kind,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes=["shown"],
        min_width=240,
    )


def _upload(gr: Any, label: str = "Image") -> Any:
    return gr.File(label=label, file_types=list(EXTENSIONS), height=140)


def _chosen(gr: Any, can: Abilities) -> list[Any]:
    """What a translation depends on besides its input: direction, seed and style."""
    seed = _seed(gr, "Seed") if can.seeded else gr.State(0)
    style = _upload(gr, "Style: a photo, instead of the seed") if can.styled else gr.State(None)
    return [_way(gr, can), seed, style]


def _way(gr: Any, can: Abilities) -> Any:
    if len(can.translate) == 1:
        return gr.State(can.translate[0])
    choices = [(_WAYS[way], way) for way in can.translate]
    return gr.Radio(choices, value=can.translate[0], label="Direction")


def _pair(gr: Any) -> tuple[Any, Any, Any]:
    """Input and output side by side, and the output as a file."""
    with gr.Row():
        given, made = _image(gr, "Input"), _image(gr, "Output")
    return given, made, gr.DownloadButton("Download the output", interactive=False)


def _with_download(gr: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same callback; its third value is the file of the button."""

    def call(*values: Any) -> Any:
        given, made, file = function(*values)
        return given, made, gr.DownloadButton(value=file, interactive=True)

    return call


def _folder(component: Any) -> Path:
    """Where Gradio keeps what it serves."""
    return Path(component.GRADIO_CACHE)
