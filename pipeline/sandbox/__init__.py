"""The stand-ins for trying things: a local SFTP drop and the mailing platform's API, real servers over real stores."""
