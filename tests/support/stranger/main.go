// A client that is written with golang.org/x/oauth2: device, code, pushed request, refresh, introspection and revocation. It
// asks the test for what a person does, a line each way.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/oauth2"
)

type answer map[string]any

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func read(response *http.Response, err error) answer {
	must(response, err)
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		must(0, fmt.Errorf("%s answered %d", response.Request.URL.Path, response.StatusCode))
	}
	var body answer
	// A revocation has no body (RFC 7009 2.2).
	if err := json.NewDecoder(response.Body).Decode(&body); err != io.EOF {
		must(0, err)
	}
	return body
}

var input = bufio.NewReader(os.Stdin)

func person(what answer) string {
	fmt.Println(string(must(json.Marshal(what))))
	return strings.TrimSpace(must(input.ReadString('\n')))
}

func main() {
	origin, id, secret, redirect := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx := context.Background()
	meta := read(http.Get(origin + "/.well-known/oauth-authorization-server"))
	endpoint := func(name string) string { return meta[name].(string) }
	config := &oauth2.Config{
		ClientID:     id,
		ClientSecret: secret,
		RedirectURL:  redirect,
		Scopes:       []string{"projects:read", "tenant:read"},
		Endpoint: oauth2.Endpoint{
			AuthURL:       endpoint("authorization_endpoint"),
			TokenURL:      endpoint("token_endpoint"),
			DeviceAuthURL: endpoint("device_authorization_endpoint"),
			AuthStyle:     oauth2.AuthStyleInHeader,
		},
	}
	post := func(name string, form url.Values) answer {
		request := must(http.NewRequest("POST", endpoint(name), strings.NewReader(form.Encode())))
		request.SetBasicAuth(id, secret)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return read(http.DefaultClient.Do(request))
	}
	users := []any{}
	works := func(token *oauth2.Token) {
		users = append(users, read(config.Client(ctx, token).Get(origin + "/api/v1/me"))["id"])
	}

	// It authenticates at the token endpoint alone, and names a client with a secret in the form.
	config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	started := must(config.DeviceAuth(ctx, oauth2.SetAuthURLParam("client_secret", secret)))
	person(answer{"device": started.DeviceCode})
	started.Interval = 1
	works(must(config.DeviceAccessToken(ctx, started)))
	config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader

	for _, pushes := range []bool{false, true} {
		verifier := oauth2.GenerateVerifier()
		address := config.AuthCodeURL("a state", oauth2.S256ChallengeOption(verifier))
		if pushes {
			asked := must(url.Parse(address)).Query()
			uri := post("pushed_authorization_request_endpoint", asked)["request_uri"].(string)
			address = config.Endpoint.AuthURL + "?" + url.Values{"client_id": {id}, "request_uri": {uri}}.Encode()
		}
		back := must(url.Parse(person(answer{"browser": address}))).Query()
		if back.Get("state") != "a state" || back.Get("iss") != origin {
			must(0, fmt.Errorf("the answer is another's: %v", back))
		}
		first := must(config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier)))
		works(first)
		second := must(config.TokenSource(ctx, &oauth2.Token{RefreshToken: first.RefreshToken}).Token())
		works(second)
		token := url.Values{"token": {second.AccessToken}}
		if post("introspection_endpoint", token)["active"] != true {
			must(0, fmt.Errorf("it is not known"))
		}
		post("revocation_endpoint", url.Values{"token": {second.RefreshToken}})
		if post("introspection_endpoint", token)["active"] != false {
			must(0, fmt.Errorf("it is still known"))
		}
	}
	person(answer{"done": users})
}
