"""Temporal messages about bundles: ids and counts only. What is inside is read from the catalog by the id."""

from __future__ import annotations

from dataclasses import dataclass

from domain.delivery_messages import DeliveryRef


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """Input of ``BuildBundle``.

    Attributes:
        bundle_id: The workflow's id is ``bundle-`` plus this.
        process_number: The canonical number of its process.
    """

    bundle_id: str
    process_number: str


@dataclass(frozen=True, slots=True)
class BundlePlan:
    """What there is to do for a bundle.

    Attributes:
        exists: Whether the catalog has the bundle, and it is still to be built.
        conversions: How many documents are to be converted first.
    """

    exists: bool
    conversions: int = 0


@dataclass(frozen=True, slots=True)
class ConversionLot:
    """A request to convert the next documents of a bundle.

    Attributes:
        after: Place of the last document of the lot before. -1 for the first lot.
    """

    request: BundleRequest
    after: int = -1


@dataclass(frozen=True, slots=True)
class ConvertedLot:
    """What was converted.

    Attributes:
        following: Place of the last document that was looked at. None if there are no more.
    """

    following: int | None


@dataclass(frozen=True, slots=True)
class BundleFailing:
    """A request to record that a bundle is not built.

    Attributes:
        code: One of ``domain.errors.BundleFailureCode``.
        answer: Why, for people.
    """

    request: BundleRequest
    code: str
    answer: str


@dataclass(frozen=True, slots=True)
class NotifyRequest:
    """A request for the next events that announce a bundle.

    Attributes:
        after: Number of the last delivery of the page before.
    """

    request: BundleRequest
    after: int = 0


@dataclass(frozen=True, slots=True)
class BundleDeliveries:
    """A page of events that announce a bundle, whose workflows are to be started. Empty after the last one."""

    deliveries: tuple[DeliveryRef, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleSweepProgress:
    """What a sweep of bundles carries over when it continues as new.

    Attributes:
        step: Which of the steps is next.
        after: Cursor: where the page before ended. Empty at the start of a step.
        deleted: How many bundles were deleted.
    """

    step: str = "expire"
    after: str = ""
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class SweptBundles:
    """What one page of a sweep did.

    Attributes:
        deleted: How many bundles it has deleted.
        following: Cursor of the next page. None after the last one.
    """

    deleted: int = 0
    following: str | None = None
