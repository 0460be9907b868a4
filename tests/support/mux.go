// How Go's router reads a path, for tests/integration/proxy-routers.test.ts. Prints its port.
package main

import (
	"fmt"
	"net"
	"net/http"
)

func say(word string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, word) }
}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/public/", say("public"))
	mux.HandleFunc("/admin/", say("admin"))
	mux.HandleFunc("/admin", say("admin"))
	mux.HandleFunc("/repos/{id}/issues", say("issues"))
	mux.HandleFunc("/repos/{id}/secrets", say("secrets"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, mux))
}
