"""Settings of the knowledge room. Imports no library of it."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from configs.settings import Settings
from knowledge.file_base import Cut

Engine = Literal["auto", "torch", "openvino"]
"""What computes an embedding model."""


class KnowledgeSettings(Settings):
    """What is kept of documents, where, and within which limits."""

    title: ClassVar[str] = "knowledge"

    data_dir: Path = Field(Path("data"), description="folder for everything the server keeps (relative: below the checkout)")
    embedding_path: str | None = Field(
        None,
        description="directory or hub id of a sentence-transformers model; unset: all-MiniLM-L6-v2 (English) from its package",
    )
    embedding_engine: Engine = Field(
        "auto",
        description="what computes a plain BERT model on a CPU; auto: openvino where the CPU has AMX and the extra `openvino` "
        "is installed, else torch",
    )
    reranker_path: str | None = Field(
        None, description="folder of a cross-encoder (sentence-transformers) that orders what was found; unset: none"
    )
    document_share: float = Field(
        0.75, gt=0, le=1, description="part of the passages found that one document may have, while others tell nearly as much"
    )
    chunk_tokens: int = Field(200, ge=32, le=4096, description="longest passage, in tokens of the embedding model")
    chunk_overlap: int = Field(20, ge=0, le=1024, description="tokens that neighbouring passages share")
    max_file_size: int = Field(20, ge=1, le=1024, description="largest document, in MiB")
    max_characters: int = Field(10_000_000, ge=1000, description="longest text of one document, in characters")
    max_documents: int = Field(10_000, ge=1, description="documents in one knowledge base")
    parse_seconds: int = Field(60, ge=1, le=3600, description="longest time to read one file, in seconds")
    parse_memory: int = Field(1024, ge=256, le=65536, description="memory to read one file, in MiB")
    ocr: bool = Field(True, description="recognise pages that are pictures, where the extra `ocr` and Tesseract are installed")
    ocr_languages: str | None = Field(
        None,
        pattern=r"^[A-Za-z_/]+(\+[A-Za-z_/]+)*$",
        description="languages of such pages, for instance eng+chi_sim; unset: all that Tesseract has here",
    )
    ocr_seconds: int = Field(300, ge=1, le=36000, description="longest time to recognise the pages of one file, in seconds")
    min_free_disk: int = Field(1024, ge=0, description="refuse uploads when less disk is free, in MiB")

    @model_validator(mode="after")
    def _overlap_fits(self) -> "KnowledgeSettings":
        if self.chunk_overlap * 2 > self.chunk_tokens:
            raise ValueError(f"--chunk-overlap {self.chunk_overlap} is more than half of --chunk-tokens {self.chunk_tokens}")
        return self

    @property
    def cut(self) -> Cut:
        """How documents are cut that ask for nothing else."""
        return Cut(self.chunk_tokens, self.chunk_overlap)
