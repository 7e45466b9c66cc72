"""Who looks at the pages, and what they may do: by a password, a trusted proxy's word, or an OpenID provider."""
