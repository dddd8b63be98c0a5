"""Colours, fonts and spaces of the page, as a Gradio theme; `page.css` does what a theme cannot. Nothing is fetched."""

from gradio.themes import Base, Color, Size

FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "Noto Sans CJK SC",
    "PingFang SC",
    "Microsoft YaHei",
    "sans-serif",
)
MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono", "monospace")

GREEN = Color(
    c50="#e3f1ed", c100="#cfe7e0", c200="#a6d3c7", c300="#74b9a8", c400="#3f9a86", c500="#0f6e5c",
    c600="#0f6e5c", c700="#0b5547", c800="#084034", c900="#062d25", c950="#041c17",
)  # fmt: skip
GREY = Color(
    c50="#fcfcfa", c100="#f7f7f5", c200="#ebebe7", c300="#e4e4df", c400="#a5a9b0", c500="#6b7078",
    c600="#55595f", c700="#3a3c40", c800="#232427", c900="#1d1f23", c950="#17181a",
)  # fmt: skip
ROUND = Size(xxs="2px", xs="4px", sm="6px", md="8px", lg="12px", xl="16px", xxl="20px", name="round")


def theme() -> Base:
    """Return the theme."""
    base = Base(primary_hue=GREEN, secondary_hue=GREEN, neutral_hue=GREY, radius_size=ROUND, font=FONTS, font_mono=MONOSPACE)
    return base.set(
        body_background_fill="#f7f7f5", body_background_fill_dark="#17181a",
        body_text_color="#1d1f23", body_text_color_dark="#ececea",
        body_text_color_subdued="#5d626a", body_text_color_subdued_dark="#a5a9b0",
        background_fill_primary="#ffffff", background_fill_primary_dark="#1f2023",
        background_fill_secondary="#fcfcfa", background_fill_secondary_dark="#1b1c1e",
        border_color_primary="#e4e4df", border_color_primary_dark="#34363a",
        block_background_fill="#ffffff", block_background_fill_dark="#1f2023",
        block_border_width="1px", block_shadow="none", block_shadow_dark="none",
        input_background_fill="#ffffff", input_background_fill_dark="#1f2023",
        link_text_color="#0f6e5c", link_text_color_dark="#4fb39d",
        input_placeholder_color="#6b7078", input_placeholder_color_dark="#a5a9b0",
        input_shadow="none", input_shadow_focus="none",
        button_primary_background_fill="#0f6e5c", button_primary_background_fill_dark="#0f6e5c",
        button_primary_background_fill_hover="#0b5547", button_primary_background_fill_hover_dark="#12806b",
        button_primary_text_color="#ffffff", button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#ffffff", button_secondary_background_fill_dark="#26282b",
        button_secondary_border_color="#e4e4df", button_secondary_border_color_dark="#34363a",
        button_primary_shadow="none", button_secondary_shadow="none", button_border_width="1px",
        shadow_drop="none", shadow_drop_lg="none", shadow_spread="0px",
    )  # fmt: skip
