"""A data service as the usual FastAPI template has it.

After fastapi/full-stack-fastapi-template: a sync SQLModel session a request, HS256, the user read each time,
`def` routes, `SessionDep`, `CurrentUser`, a page with its count.
"""

import os
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Column, DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, Session, SQLModel, create_engine, func, select

SECRET = os.environ["PEER_SECRET"]
engine = create_engine(os.environ["PEER_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
models = httpx.Client(base_url=f"http://127.0.0.1:{os.environ['PEER_MODELS_PORT']}")
passwords = PasswordHash((Argon2Hasher(2, 19_456, 1),))  # as ours
oauth2 = OAuth2PasswordBearer(tokenUrl="/auth/token")


class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    email: str
    full_name: str | None = None
    hashed_password: str
    is_active: bool = True
    is_superuser: bool = False


class ItemBase(SQLModel):
    name: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=5000)
    price: Decimal
    currency: str = "USD"
    features: dict[str, Any] | None = None


class Item(ItemBase, table=True):
    __tablename__ = "items"
    id: int | None = Field(default=None, primary_key=True)
    features: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    owner_id: int
    created_at: datetime | None = Field(
        default_factory=lambda: datetime.now(UTC), sa_type=DateTime(timezone=True)
    )
    updated_at: datetime | None = Field(
        default_factory=lambda: datetime.now(UTC), sa_type=DateTime(timezone=True)
    )


class ItemPublic(ItemBase):
    id: int
    owner_id: int
    created_at: datetime
    updated_at: datetime


class ItemsPublic(SQLModel):
    data: list[ItemPublic]
    count: int


def get_db() -> Generator[Session, None, None]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_db)]


def get_current_user(session: SessionDep, token: Annotated[str, Depends(oauth2)]) -> User:
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(403, "Could not validate credentials") from None
    user = session.get(User, int(claims["sub"]))
    if not user:
        raise HTTPException(404, "User not found")
    if not user.is_active:
        raise HTTPException(400, "Inactive user")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


app = FastAPI()


@app.get("/items", response_model=ItemsPublic)
def read_items(
    session: SessionDep,
    _: CurrentUser,
    skip: int = 0,
    limit: int = 20,
    cut: str | None = None,
    q: str | None = None,
) -> Any:
    fits = [] if cut is None else [Item.features.contains({"cut": cut})]
    if q is not None:
        fits.append(Item.name.ilike(f"%{q}%"))
    count = session.exec(select(func.count()).select_from(Item).where(*fits)).one()
    page = (
        select(Item).where(*fits).order_by(Item.created_at.desc(), Item.id.desc()).offset(skip).limit(limit)
    )
    return ItemsPublic(data=session.exec(page).all(), count=count)


@app.get("/items/{item_id}", response_model=ItemPublic)
def read_item(session: SessionDep, _: CurrentUser, item_id: int) -> Any:
    item = session.get(Item, item_id)
    if not item:
        raise HTTPException(404, "Item not found")
    return item


@app.post("/items", response_model=ItemPublic, status_code=201)
def create_item(*, session: SessionDep, current_user: CurrentUser, item_in: ItemBase) -> Any:
    item = Item.model_validate(item_in, update={"owner_id": current_user.id})
    session.add(item)
    session.commit()
    session.refresh(item)
    return item


@app.post("/items/{item_id}/appraisal")
def appraise_item(
    session: SessionDep, _: CurrentUser, item_id: int, token: Annotated[str, Depends(oauth2)]
) -> Any:
    item = session.get(Item, item_id)
    if not item:
        raise HTTPException(404, "Item not found")
    headers = {"Authorization": f"Bearer {token}"}
    answer = models.post("/predict", json={"instances": [item.features]}, headers=headers)
    answer.raise_for_status()
    return {"item_id": item.id, **answer.json()["predictions"][0]}


@app.post("/auth/token")
def login(session: SessionDep, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Any:
    user = session.exec(select(User).where(User.email == form.username)).first()
    if not user or not passwords.verify(form.password, user.hashed_password):
        raise HTTPException(400, "Incorrect email or password")
    return tokens_for(user)


class Refresh(SQLModel):
    refresh_token: str


@app.post("/auth/refresh")
def refresh(session: SessionDep, given: Refresh) -> Any:
    try:
        claims = jwt.decode(given.refresh_token, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(403, "Could not validate credentials") from None
    user = session.get(User, int(claims["sub"]))
    if claims.get("type") != "refresh" or not user or not user.is_active:
        raise HTTPException(403, "Could not validate credentials")
    return tokens_for(user)


def tokens_for(user: User) -> dict[str, str]:
    """An access token, and a refresh token that is only signed: nobody can end it."""
    now, subject = datetime.now(UTC), str(user.id)
    access = {"sub": subject, "exp": now + timedelta(minutes=15)}
    longer = {"sub": subject, "exp": now + timedelta(days=8), "type": "refresh"}
    return {
        "access_token": jwt.encode(access, SECRET, "HS256"),
        "refresh_token": jwt.encode(longer, SECRET, "HS256"),
        "token_type": "bearer",
    }
