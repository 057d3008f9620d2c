'use client'
import pixedge from './pixedge.js'

export default pixedge('http://127.0.0.1:8080').nextLoader
