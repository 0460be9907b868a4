# A client that is written with Authlib: device, code, pushed request, refresh, introspection and revocation. It asks the
# test for what a person does, a line each way.
import json
import sys
from urllib.parse import parse_qsl, urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session

origin, client_id, secret, redirect_uri = sys.argv[1:]
verifier = "a-verifier-that-is-long-enough-for-the-rule-of-43-characters"
scope = "projects:read tenant:read"
me = f"{origin}/api/v1/me"
meta = requests.get(f"{origin}/.well-known/oauth-authorization-server").json()


def person(**what):
    print(json.dumps(what), flush=True)
    return sys.stdin.readline().strip()


def session():
    return OAuth2Session(client_id, secret, scope=scope, redirect_uri=redirect_uri, code_challenge_method="S256")


def works(client):
    answer = client.get(me)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


users = []
by_device = session()
started = requests.post(meta["device_authorization_endpoint"], auth=(client_id, secret), data={"scope": scope}).json()
person(device=started["device_code"])
by_device.fetch_token(
    meta["token_endpoint"],
    grant_type="urn:ietf:params:oauth:grant-type:device_code",
    device_code=started["device_code"],
)
users.append(works(by_device))

for pushes in [False, True]:
    client = session()
    url, state = client.create_authorization_url(meta["authorization_endpoint"], code_verifier=verifier)
    if pushes:
        asked = dict(parse_qsl(urlsplit(url).query))
        endpoint = meta["pushed_authorization_request_endpoint"]
        pushed = requests.post(endpoint, auth=(client_id, secret), data=asked)
        assert pushed.status_code == 201, pushed.text
        url = f"{meta['authorization_endpoint']}?client_id={client_id}&request_uri={pushed.json()['request_uri']}"
    back = person(browser=url)
    client.fetch_token(meta["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
    users.append(works(client))
    before = client.token["refresh_token"]
    client.refresh_token(meta["token_endpoint"])
    assert client.token["refresh_token"] != before
    users.append(works(client))
    token = client.token["access_token"]
    known = client.introspect_token(meta["introspection_endpoint"], token=token).json()
    assert known["active"] and known["scope"] == scope, known
    assert client.revoke_token(meta["revocation_endpoint"], token=client.token["refresh_token"]).status_code == 200
    gone = client.introspect_token(meta["introspection_endpoint"], token=token).json()
    assert gone == {"active": False}, gone

person(done=users)
