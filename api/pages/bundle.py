"""All documents of a process as one PDF: the button that requests it, and the link to it once it is ready."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.deps import BundleServiceDep, Reader, RecipientDep, StartingReader
from api.pages.forms import Form
from api.pages.rendering import PageRoute
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.parameters import Number
from domain.bundle_selection import BundleFormat, BundleOptions

# What the page offers: all that the client may read.
ONE_PDF = BundleOptions(BundleFormat.PDF)
_CONFLICT = 409

router = APIRouter(prefix="/ui/processes/{number}", route_class=PageRoute, include_in_schema=False)


@router.post("/bundle")
async def request_bundle(number: Number, client: StartingReader, form: Form, bundles: BundleServiceDep) -> Response:
    """Have the PDF built, then show the page, which links it when it is ready."""
    address = f"/ui/processes/{number}"
    try:
        await bundles.request(number, client, ONE_PDF)
    except Problem as problem:
        if problem.status != _CONFLICT:
            raise
        address = f"{address}?notice={problem.code}"
    return RedirectResponse(address, 303)


@router.get("/bundle.pdf")
async def get_bundle(
    number: Number, client: Reader, recipient: RecipientDep, bundles: BundleServiceDep
) -> Response:
    """Redirect to a fresh link to the PDF."""
    bundle = await bundles.find(number, client, ONE_PDF)
    link = None if bundle is None else await bundles.issue_link(bundle, recipient)
    if link is None:
        raise Problem(ProblemCode.BUNDLE_NOT_READY, "The documents have changed since. Open the page again.")
    return RedirectResponse(link.url, 307, headers={"Referrer-Policy": "no-referrer"})
